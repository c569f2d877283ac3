"""What a client has asked for and not yet been answered: in order, one after the other, beside everything else that its
socket does, so that a slow database holds up neither heartbeats nor events. Pure: no Django."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from realtime.aio.latch import Latch

R = TypeVar("R")


class RequestQueue(Generic[R]):
    """`answer` answers one request; it raises nothing. At most `limit` wait."""

    def __init__(self, answer: Callable[[R], Awaitable[None]], *, limit: int) -> None:
        self._answer, self._limit = answer, limit
        self._requests: list[R] = []
        self._has_room = Latch(is_open=True)
        self.task: asyncio.Task[None] | None = None
        """Answers them. While there are none there is no task, since every socket would have one."""

    async def add(self, request: R) -> None:
        """Returns as soon as there is room for it."""
        await self._has_room.wait()
        self._requests.append(request)
        if len(self._requests) >= self._limit:
            self._has_room.close()
        if self.task is None:
            self.task = asyncio.create_task(self._answer_all())

    async def _answer_all(self) -> None:
        while self._requests:
            request = self._requests.pop(0)
            self._has_room.open()
            await self._answer(request)
        self.task = None
