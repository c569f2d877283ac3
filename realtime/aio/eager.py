"""A coroutine that is begun at once, where it stands, and by its task only if it has to wait: mostly it has not, and to
wake a task for it would cost as much as its work. What tasks of Python 3.12 do with `eager_start`, for a task that is
there already. By the functions that Python has for this: https://docs.python.org/3.11/library/asyncio-extending.html.

All of it runs in one context, the task's: what it sets in a context variable, nobody else sees, and it can reset it.

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
    """As if no task were running: for many calls of `begin` in a row, which then need not see to it each. A context
    manager by hand: where an event has one reader, contextlib's machinery would cost as much as its sending."""

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
    """Runs `work` up to its first wait, as if `task` did, which waits for something itself. None: it has come to its
    end. Otherwise `task` awaits what is returned, which is the rest of it. Raises what `work` raises. `context` is the
    task's; Python 3.11 does not give it out, so whoever makes the task makes it, too."""
    if type(work) is not CoroutineType:
        work = _as_coroutine(work)
    loop = task.get_loop()  # to ask for the running one takes a call of the system
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
        return work  # the context is entered already, which it can be once at a time: the task runs all of it
    finally:
        _leave_task(loop, task)
    return _Rest(work, waits_for)


async def _as_coroutine(work: Awaitable[None]) -> None:
    await work


class _Rest(Coroutine[Any, Any, None]):
    """Not a generator alone: to close one that has not begun runs nothing of it, and so would not close `work`."""

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
        except BaseException as error:  # above all, that the task is cancelled
            thrown = error
        try:
            waits_for = work.throw(thrown) if thrown else work.send(None)
        except StopIteration:
            return
