"""When may a connection send? While its transport's write buffer has room, and one sender after the other.

Daphne writes whatever an application sends into the transport's buffer and returns at once: 200 MB for a client that
does not read are 200 MB of memory. Twisted tells a *producer* that is registered with the transport when that buffer
is full (above 64 KiB) and when it has drained. The gate is that producer:

    async with gate:        # waits for its turn, then for room
        transport.write(...)

What is promised: senders pass in the order in which they came; a closed gate opens, or the connection is given up,
within `deadline` seconds; once the connection is closing or gone, nobody waits. So whoever comes through looks again
whether there is still somebody to send to. Knows no sockets; everything happens in the thread of one event loop.
"""

# ruff: noqa: N802 - Twisted names the methods of a producer

import asyncio
from collections.abc import Callable


class SendGate:
    """A push producer that produces nothing: `transport.registerProducer(gate, True)` opens and closes it."""

    def __init__(self, *, deadline: float, give_up: Callable[[], None]) -> None:
        """`give_up` is called once, when the buffer has not drained for `deadline` seconds: abort the connection."""
        self._deadline = deadline
        self._give_up = give_up
        self._timer: asyncio.TimerHandle | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._turn = asyncio.Lock()  # fair: first come, first served
        self._is_finishing = False

    async def __aenter__(self) -> None:
        await self._turn.acquire()
        try:
            await self._room.wait()
        except BaseException:
            self._turn.release()
            raise

    async def __aexit__(self, *exc_info: object) -> None:
        self._turn.release()

    def pauseProducing(self) -> None:
        """The buffer is full. Called by the transport, from within `write`."""
        if not self._is_finishing:
            self._room.clear()
        self._start_timer()

    def resumeProducing(self) -> None:
        """The buffer is empty again. Called by the transport."""
        self._room.set()
        self._stop_timer()

    def stopProducing(self) -> None:
        """The connection is gone. Called by the transport while this is registered with it; calling twice is fine."""
        self._is_finishing = True
        self._room.set()
        self._stop_timer()

    def finish(self) -> None:
        """Nothing follows what is in the buffer: whoever waits goes on, and the client has `deadline` to take it."""
        self._is_finishing = True
        self._room.set()
        self._start_timer()

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._deadline, self._give_up)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
