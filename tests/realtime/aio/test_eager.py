"""A coroutine that begins in its caller and ends in its task."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from realtime.aio.eager import begin, between_tasks

PATIENCE = 20.0  # seconds; only a test that fails waits for so long


class Sleeper:
    """A task that sleeps until it is given the rest of a coroutine."""

    def __init__(self) -> None:
        self.given: asyncio.Future[Coroutine[Any, Any, None]] = asyncio.get_running_loop().create_future()
        self.context = copy_context()
        self.task: asyncio.Task[None] = asyncio.get_running_loop().create_task(self._work(), context=self.context)

    async def _work(self) -> None:
        await (await self.given)

    async def asleep(self) -> "Sleeper":
        await asyncio.sleep(0)
        return self

    async def finish(self, rest: Coroutine[Any, Any, None] | None) -> None:
        assert rest is not None
        self.given.set_result(rest)
        await asyncio.wait_for(asyncio.shield(self.task), PATIENCE)


@pytest.fixture
async def sleeper() -> Sleeper:
    return await Sleeper().asleep()


async def test_a_coroutine_that_does_not_wait_ends_at_once(sleeper: Sleeper) -> None:
    done: list[str] = []

    async def work() -> None:
        done.append("all")

    assert begin(work(), sleeper.task, sleeper.context) is None
    assert done == ["all"]
    sleeper.task.cancel()


async def test_the_task_runs_what_follows_a_wait(sleeper: Sleeper) -> None:
    done: list[str] = []
    first, second = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        done.append("begun")
        await first.wait()
        done.append("first")
        await asyncio.sleep(0)
        await second.wait()
        done.append("second")

    rest = begin(work(), sleeper.task, sleeper.context)
    assert done == ["begun"]
    asyncio.get_running_loop().call_later(0.01, first.set)
    asyncio.get_running_loop().call_later(0.02, second.set)
    await sleeper.finish(rest)
    assert done == ["begun", "first", "second"]


async def test_the_current_task_is_the_given_one_inside_and_the_callers_outside(sleeper: Sleeper) -> None:
    seen: list[Any] = []
    event = asyncio.Event()

    async def work() -> None:
        seen.append(asyncio.current_task())
        await event.wait()
        seen.append(asyncio.current_task())

    rest = begin(work(), sleeper.task, sleeper.context)
    assert asyncio.current_task() is not sleeper.task
    event.set()
    await sleeper.finish(rest)
    assert seen == [sleeper.task, sleeper.task]


async def test_it_can_begin_where_no_task_runs(sleeper: Sleeper) -> None:
    seen: list[Any] = []

    async def work() -> None:
        seen.append(asyncio.current_task())

    asyncio.get_running_loop().call_soon(lambda: begin(work(), sleeper.task, sleeper.context))
    await asyncio.sleep(0)
    assert seen == [sleeper.task]
    sleeper.task.cancel()


async def test_between_tasks_can_be_nested(sleeper: Sleeper) -> None:
    task, seen = asyncio.current_task(), []

    async def work() -> None:
        seen.append(asyncio.current_task())

    with between_tasks():
        with between_tasks():
            begin(work(), sleeper.task, sleeper.context)
        assert asyncio.current_task() is None
    assert seen == [sleeper.task]
    assert asyncio.current_task() is task
    sleeper.task.cancel()


async def test_an_error_between_tasks_restores_the_task() -> None:
    task = asyncio.current_task()
    with pytest.raises(ConnectionError), between_tasks():
        raise ConnectionError
    assert asyncio.current_task() is task


async def test_a_timeout_entered_before_the_first_wait_ends_the_wait_of_the_task(sleeper: Sleeper) -> None:
    async def work() -> None:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await sleeper.finish(begin(work(), sleeper.task, sleeper.context))


async def test_an_error_before_the_first_wait_is_raised_in_the_caller(sleeper: Sleeper) -> None:
    async def work() -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        begin(work(), sleeper.task, sleeper.context)
    assert asyncio.current_task() is not sleeper.task
    sleeper.task.cancel()


async def test_an_error_after_a_wait_is_raised_in_the_task(sleeper: Sleeper) -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await sleeper.finish(begin(work(), sleeper.task, sleeper.context))


async def test_an_error_of_the_awaited_future_is_raised_inside(sleeper: Sleeper) -> None:
    failing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    caught: list[Exception] = []

    async def work() -> None:
        try:
            await failing
        except ConnectionError as error:
            caught.append(error)

    rest = begin(work(), sleeper.task, sleeper.context)
    failing.set_exception(ConnectionError())
    await sleeper.finish(rest)
    assert len(caught) == 1


async def test_a_cancelled_task_cancels_it(sleeper: Sleeper) -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # cleaning up may wait, too
            ended.append("cancelled")
            raise

    rest = begin(work(), sleeper.task, sleeper.context)
    assert rest
    sleeper.given.set_result(rest)
    await asyncio.sleep(0)  # the task takes it
    sleeper.task.cancel()
    await asyncio.wait({sleeper.task})
    assert sleeper.task.cancelled()
    assert ended == ["cancelled"]


async def test_a_rest_that_is_not_awaited_is_closed(sleeper: Sleeper) -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("closed")

    rest = begin(work(), sleeper.task, sleeper.context)
    assert rest
    rest.close()
    assert ended == ["closed"]
    sleeper.task.cancel()


# In the task's context

number: ContextVar[int] = ContextVar("number", default=0)


@pytest.mark.parametrize("waits", [False, True])
async def test_a_context_variable_belongs_to_the_task_and_can_be_reset(sleeper: Sleeper, waits: bool) -> None:
    async def work() -> None:
        token = number.set(number.get() + 1)
        if waits:
            await asyncio.sleep(0)
        assert number.get() == 1
        number.reset(token)

    number.set(7)
    rest = begin(work(), sleeper.task, sleeper.context)
    assert number.get() == 7
    if waits:
        await sleeper.finish(rest)
    assert rest is None or waits
    assert sleeper.context.get(number, 0) == 0
    sleeper.task.cancel()


async def test_inside_its_own_context_the_task_runs_all_of_it(sleeper: Sleeper) -> None:
    done: list[Any] = []

    async def work() -> None:
        done.append(asyncio.current_task())

    rest = sleeper.context.run(begin, work(), sleeper.task, sleeper.context)
    assert not done
    await sleeper.finish(rest)
    assert done == [sleeper.task]


async def test_a_runtime_error_of_the_work_is_raised(sleeper: Sleeper) -> None:
    async def work() -> None:
        raise RuntimeError("its own")

    with pytest.raises(RuntimeError, match="its own"):
        begin(work(), sleeper.task, sleeper.context)
    sleeper.task.cancel()


async def test_a_rest_can_be_driven_by_hand(sleeper: Sleeper) -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    rest = begin(work(), sleeper.task, sleeper.context)
    assert rest
    assert rest.send(None) is None
    assert rest.send(None) is None
    with pytest.raises(ConnectionError):
        rest.throw(ConnectionError())
    sleeper.task.cancel()


# Any awaitable


class Result:
    """Something to be awaited that is no coroutine."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then = then

    def __await__(self) -> Generator[Any, None, None]:
        yield from asyncio.sleep(0).__await__()
        self._then()


async def test_any_awaitable_can_begin(sleeper: Sleeper) -> None:
    done: list[str] = []
    await sleeper.finish(begin(Result(lambda: done.append("done")), sleeper.task, sleeper.context))
    assert done == ["done"]
