"""Single flight: concurrent callers share one call, as the sockets of one stream do when they reconnect.

A result is never older than its call: a caller that arrives while the work runs waits for the next run.

Pure: no Django, no I/O.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """`await read()` returns what `work` returns, and raises what it raises. Work without waiting callers is
    cancelled."""

    __slots__ = ("_next", "_now", "_waiting", "_work")

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._now: asyncio.Task[T] | None = None  # runs the work
        self._next: asyncio.Task[T] | None = None  # waits for `_now`; a caller may still join it
        self._waiting: dict[asyncio.Task[T], int] = {}  # callers of each of the two

    @property
    def is_awaited(self) -> bool:
        """Whether a caller waits."""
        return bool(self._waiting)

    async def read(self) -> T:
        task = self._next
        if task is None:
            # In an empty context, as a task of its own: the first caller may be cancelled while others wait.
            task = self._next = asyncio.get_running_loop().create_task(self._read(), context=contextvars.Context())
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._waiting[task] = self._waiting.get(task, 0) + 1
        try:
            return await asyncio.shield(task)
        finally:
            self._leave(task)
            del task  # the exception of the task refers to this frame: a cycle that the garbage collector would free

    def _leave(self, task: asyncio.Task[T]) -> None:
        self._waiting[task] -= 1
        if not self._waiting[task]:
            del self._waiting[task]
            task.cancel()
            if self._next is task:
                self._next = None

    async def _read(self) -> T:
        if self._now:
            await asyncio.wait({self._now})
        self._now, self._next = self._next, None
        try:
            return await self._work()
        finally:
            self._now = None


class SingleFlightGroup(Generic[T]):
    """A SingleFlight for each key, for as long as a caller waits. Event loops share nothing."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, SingleFlight[T]] = {}

    async def read(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """The result of `work`, or of the work of another caller with the same key."""
        key_of_loop = asyncio.get_running_loop(), key
        flight = self._flights.setdefault(key_of_loop, SingleFlight(work))
        try:
            return await flight.read()
        finally:
            if not flight.is_awaited and self._flights.get(key_of_loop) is flight:
                del self._flights[key_of_loop]
