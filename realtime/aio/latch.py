"""What tasks of one event loop wait at until it is open. As `asyncio.Event`, but it costs nothing to speak of while
nobody waits (an event keeps 760 bytes for those who might), and each socket has several. Pure: no Django, no I/O."""

import asyncio


class Latch:
    """Whoever has waited looks again before it goes on: it may have been closed meanwhile."""

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
