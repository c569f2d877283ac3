"""Eager start of a coroutine on behalf of a task that exists already.

The coroutine runs in the caller until its first wait. The task runs the rest, if there is any. Mostly there is none,
and to wake the task would cost as much as the work. Python 3.12 has the same for new tasks (`eager_start`). The
functions used are those that Python has for this: https://docs.python.org/3.11/library/asyncio-extending.html.

The whole coroutine runs in the task's context: a context variable that it sets is seen by no other task, and the
coroutine can reset it.

Pure: no Django, no I/O.
"""

import asyncio
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Awaitable, Coroutine, Generator
from contextvars import Context
from inspect import CORO_CREATED, getcoroutinestate
from types import CoroutineType
from typing import Any


class between_tasks:  # noqa: N801 - used as a function is
    """Leaves the current task inside the block, so that many calls of `begin` in a row need not do so each. A class
    and not contextlib: for an event with one reader, contextlib would cost as much as the sending."""

    __slots__ = ("_current", "_loop")

    def __enter__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._current = asyncio.current_task(self._loop)
        if self._current is not None:
            _leave_task(self._loop, self._current)

    def __exit__(self, *exc_info: object) -> None:
        if self._current is not None:
            _enter_task(self._loop, self._current)


def begin(work: Awaitable[None], task: asyncio.Task[Any], context: Context) -> Coroutine[Any, Any, None] | None:
    """Runs `work` to its first wait, on behalf of `task`, which is waiting itself. Returns None if `work` has ended.
    Otherwise it returns the rest of `work`, which `task` must await. Raises what `work` raises. `context` is that of
    `task`; Python 3.11 does not expose it, so the code that makes the task passes it."""
    if type(work) is not CoroutineType:
        work = _as_coroutine(work)
    loop = task.get_loop()  # asyncio.get_running_loop() would make a system call
    try:
        _enter_task(loop, task)
    except RuntimeError:  # another one is running
        with between_tasks():
            return begin(work, task, context)
    try:
        waits_for = context.run(work.send, None)
    except StopIteration:
        return None
    except RuntimeError:
        if getcoroutinestate(work) != CORO_CREATED:
            raise
        return work  # the context is entered already, and can be entered only once: the task runs all of `work`
    finally:
        _leave_task(loop, task)
    return _Rest(work, waits_for)


async def _as_coroutine(work: Awaitable[None]) -> None:
    await work


class _Rest(Coroutine[Any, Any, None]):
    """A generator alone is not enough: if it is closed before it starts, none of it runs, and `work` stays open."""

    __slots__ = ("_steps", "_work")

    def __init__(self, work: Coroutine[Any, Any, None], waits_for: Any) -> None:
        self._work, self._steps = work, _steps(work, waits_for)

    def __await__(self) -> Generator[Any, None, None]:
        return self._steps

    def send(self, value: None) -> Any:
        return self._steps.send(value)

    def throw(self, *error: Any) -> Any:
        return self._steps.throw(*error)

    def close(self) -> None:
        self._steps.close()
        self._work.close()


def _steps(work: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, None, None]:
    while True:
        thrown: BaseException | None = None
        try:
            yield waits_for
        except GeneratorExit:
            work.close()
            raise
        except BaseException as error:  # mostly the cancellation of the task
            thrown = error
        try:
            waits_for = work.throw(thrown) if thrown else work.send(None)
        except StopIteration:
            return
