"""A coroutine that is begun at once, and ended by the task that it belongs to."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from realtime.aio.eager import begin, between_tasks

PATIENCE = 20.0  # seconds; only a test that fails waits for so long


class Worker:
    """A task that sleeps until it is given the rest of something."""

    def __init__(self) -> None:
        self.given: asyncio.Future[Coroutine[Any, Any, None]] = asyncio.get_running_loop().create_future()
        self.context = copy_context()
        self.task: asyncio.Task[None] = asyncio.get_running_loop().create_task(self._work(), context=self.context)

    async def _work(self) -> None:
        await (await self.given)

    async def asleep(self) -> "Worker":
        await asyncio.sleep(0)
        return self

    async def finish(self, rest: Coroutine[Any, Any, None] | None) -> None:
        assert rest is not None
        self.given.set_result(rest)
        await asyncio.wait_for(asyncio.shield(self.task), PATIENCE)


@pytest.fixture
async def worker() -> Worker:
    return await Worker().asleep()


async def test_what_has_not_to_wait_is_done_at_once(worker: Worker) -> None:
    done: list[str] = []

    async def work() -> None:
        done.append("all")

    assert begin(work(), worker.task, worker.context) is None
    assert done == ["all"]
    worker.task.cancel()


async def test_the_task_does_what_has_to_wait(worker: Worker) -> None:
    done: list[str] = []
    first, second = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        done.append("begun")
        await first.wait()
        done.append("first")
        await asyncio.sleep(0)
        await second.wait()
        done.append("second")

    rest = begin(work(), worker.task, worker.context)
    assert done == ["begun"]
    asyncio.get_running_loop().call_later(0.01, first.set)
    asyncio.get_running_loop().call_later(0.02, second.set)
    await worker.finish(rest)
    assert done == ["begun", "first", "second"]


async def test_it_is_the_task_from_its_beginning_and_whoever_begins_it_stays_itself(worker: Worker) -> None:
    seen: list[Any] = []
    event = asyncio.Event()

    async def work() -> None:
        seen.append(asyncio.current_task())
        await event.wait()
        seen.append(asyncio.current_task())

    rest = begin(work(), worker.task, worker.context)
    assert asyncio.current_task() is not worker.task
    event.set()
    await worker.finish(rest)
    assert seen == [worker.task, worker.task]


async def test_it_may_be_begun_where_no_task_runs(worker: Worker) -> None:
    seen: list[Any] = []

    async def work() -> None:
        seen.append(asyncio.current_task())

    asyncio.get_running_loop().call_soon(lambda: begin(work(), worker.task, worker.context))
    await asyncio.sleep(0)
    assert seen == [worker.task]
    worker.task.cancel()


async def test_between_tasks_none_runs_however_often_that_is_said(worker: Worker) -> None:
    task, seen = asyncio.current_task(), []

    async def work() -> None:
        seen.append(asyncio.current_task())

    with between_tasks():
        with between_tasks():
            begin(work(), worker.task, worker.context)
        assert asyncio.current_task() is None
    assert seen == [worker.task]
    assert asyncio.current_task() is task
    worker.task.cancel()


async def test_what_fails_between_tasks_leaves_the_task_as_it_was() -> None:
    task = asyncio.current_task()
    with pytest.raises(ConnectionError), between_tasks():
        raise ConnectionError
    assert asyncio.current_task() is task


async def test_a_timeout_that_begins_at_once_ends_the_wait_of_the_task(worker: Worker) -> None:
    async def work() -> None:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await worker.finish(begin(work(), worker.task, worker.context))


async def test_an_error_at_once_is_raised_at_once(worker: Worker) -> None:
    async def work() -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        begin(work(), worker.task, worker.context)
    assert asyncio.current_task() is not worker.task
    worker.task.cancel()


async def test_an_error_after_a_wait_is_the_tasks(worker: Worker) -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await worker.finish(begin(work(), worker.task, worker.context))


async def test_what_fails_while_it_is_waited_for_is_raised_inside(worker: Worker) -> None:
    failing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    caught: list[Exception] = []

    async def work() -> None:
        try:
            await failing
        except ConnectionError as error:
            caught.append(error)

    rest = begin(work(), worker.task, worker.context)
    failing.set_exception(ConnectionError())
    await worker.finish(rest)
    assert len(caught) == 1


async def test_a_task_that_is_cancelled_cancels_it(worker: Worker) -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # cleaning up may wait, too
            ended.append("cancelled")
            raise

    rest = begin(work(), worker.task, worker.context)
    assert rest
    worker.given.set_result(rest)
    await asyncio.sleep(0)  # the task takes it
    worker.task.cancel()
    await asyncio.wait({worker.task})
    assert worker.task.cancelled()
    assert ended == ["cancelled"]


async def test_a_rest_that_nobody_wants_is_closed(worker: Worker) -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("closed")

    rest = begin(work(), worker.task, worker.context)
    assert rest
    rest.close()
    assert ended == ["closed"]
    worker.task.cancel()


# In the task's context

number: ContextVar[int] = ContextVar("number", default=0)


@pytest.mark.parametrize("waits", [False, True])
async def test_a_context_variable_is_the_tasks_and_can_be_reset(worker: Worker, waits: bool) -> None:
    async def work() -> None:
        token = number.set(number.get() + 1)
        if waits:
            await asyncio.sleep(0)
        assert number.get() == 1
        number.reset(token)

    number.set(7)
    rest = begin(work(), worker.task, worker.context)
    assert number.get() == 7
    if waits:
        await worker.finish(rest)
    assert rest is None or waits
    assert worker.context.get(number, 0) == 0
    worker.task.cancel()


async def test_within_the_context_itself_the_task_does_it_all(worker: Worker) -> None:
    done: list[Any] = []

    async def work() -> None:
        done.append(asyncio.current_task())

    rest = worker.context.run(begin, work(), worker.task, worker.context)
    assert not done
    await worker.finish(rest)
    assert done == [worker.task]


async def test_a_runtime_error_of_the_work_is_raised(worker: Worker) -> None:
    async def work() -> None:
        raise RuntimeError("its own")

    with pytest.raises(RuntimeError, match="its own"):
        begin(work(), worker.task, worker.context)
    worker.task.cancel()


async def test_a_rest_can_be_driven_by_hand(worker: Worker) -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    rest = begin(work(), worker.task, worker.context)
    assert rest
    assert rest.send(None) is None
    assert rest.send(None) is None
    with pytest.raises(ConnectionError):
        rest.throw(ConnectionError())
    worker.task.cancel()


# Whatever it is


class Result:
    """Something to be awaited that is no coroutine."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then = then

    def __await__(self) -> Generator[Any, None, None]:
        yield from asyncio.sleep(0).__await__()
        self._then()


async def test_whatever_can_be_awaited_can_be_begun(worker: Worker) -> None:
    done: list[str] = []
    await worker.finish(begin(Result(lambda: done.append("done")), worker.task, worker.context))
    assert done == ["done"]
