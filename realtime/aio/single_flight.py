"""A read that all share who ask for it at about the same time, as the sockets of one stream do when they come back.

What it gives is never older than the question: who asks while a read is under way waits for the next one. Pure: no
Django, no I/O.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """`await read()` gives what `work` gives, and raises what it raises. Work for which nobody waits any more is
    cancelled."""

    __slots__ = ("_next", "_now", "_waiting", "_work")

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._now: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None  # has not begun to read
        self._waiting: dict[asyncio.Task[T], int] = {}  # how many, for each of them

    @property
    def is_awaited(self) -> bool:
        """Whether anybody still wants to know."""
        return bool(self._waiting)

    async def read(self) -> T:
        task = self._next
        if task is None:
            # Of nobody's: whoever was the first may go, and the others still want to know.
            task = self._next = asyncio.get_running_loop().create_task(self._read(), context=contextvars.Context())
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._waiting[task] = self._waiting.get(task, 0) + 1
        try:
            return await asyncio.shield(task)
        finally:
            self._leave(task)

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
    """A SingleFlight for each question, while somebody asks it. Loops share nothing."""

    def __init__(self) -> None:
        self._reads: dict[Hashable, SingleFlight[T]] = {}

    async def read(self, question: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` gives, or that of another one who asks the same."""
        key = asyncio.get_running_loop(), question
        shared = self._reads.setdefault(key, SingleFlight(work))
        try:
            return await shared.read()
        finally:
            if not shared.is_awaited and self._reads.get(key) is shared:
                del self._reads[key]
