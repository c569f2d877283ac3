"""A latch that tasks of one event loop wait for until it is open, like `asyncio.Event`. Each socket has several, and
an Event takes 760 bytes even without waiters; a Latch takes almost none. Pure: no Django, no I/O."""

import asyncio


class Latch:
    """A waiter goes on only if the latch is still open when the waiter runs."""

    __slots__ = ("_waiters", "is_open")

    def __init__(self, *, is_open: bool) -> None:
        self.is_open = is_open
        self._waiters: list[asyncio.Future[None]] | None = None

    def open(self) -> None:
        self.is_open = True
        for waiter in self._waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def close(self) -> None:
        self.is_open = False

    async def wait(self) -> None:
        """Returns when it is open."""
        while not self.is_open:
            waiter = asyncio.get_running_loop().create_future()
            if self._waiters is None:
                self._waiters = []
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                self._waiters.remove(waiter)
