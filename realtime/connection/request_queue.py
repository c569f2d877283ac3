"""The requests of one client that are not answered yet. They are answered in order, one at a time, in a task of their
own, so that a slow database delays neither heartbeats nor events. Pure: no Django."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from realtime.aio.latch import Latch

R = TypeVar("R")


class RequestQueue(Generic[R]):
    """`answer` answers one request and raises nothing. At most `limit` requests wait."""

    def __init__(self, answer: Callable[[R], Awaitable[None]], *, limit: int) -> None:
        self._answer, self._limit = answer, limit
        self._requests: list[R] = []
        self._has_room = Latch(is_open=True)
        self.task: asyncio.Task[None] | None = None  # exists only while requests wait: every socket would have one

    async def add(self, request: R) -> None:
        """Returns when the request is queued. Waits while the queue is full."""
        await self._has_room.wait()
        self._requests.append(request)
        if len(self._requests) >= self._limit:
            self._has_room.close()
        if self.task is None:
            self.task = asyncio.create_task(self._answer_all())

    async def _answer_all(self) -> None:
        try:
            while self._requests:
                request = self._requests.pop(0)
                self._has_room.open()
                await self._answer(request)
        finally:
            self.task = None  # a cancelled task refers to its frames, and so to this queue
