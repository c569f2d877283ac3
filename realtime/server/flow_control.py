"""When may a connection send? While its transport's write buffer has room, and one sender after the other.

Daphne writes whatever an application sends into the transport's buffer and returns at once: 200 MB for a client that
does not read are 200 MB of memory. Twisted tells a *producer* that is registered with the transport when that buffer
is full (above 64 KiB) and when it has drained. The gate is that producer:

    async with gate:                # waits for its turn, then for room
        transport.write(...)
        await gate.room()           # of a large message, before its next piece
        transport.write(...)

What is promised: senders pass in the order in which they came; a closed gate opens, or its client still reads, or it
is given up (slow_reader.py); once the connection is closing or gone, nobody waits. So whoever comes through looks
again whether there is still somebody to send to. Knows no sockets; everything happens in the thread of one event loop.
"""

# ruff: noqa: N802 - Twisted names the methods of a producer

import asyncio
from collections.abc import Callable

from realtime.aio.latch import Latch
from realtime.server.slow_reader import Progress, SlowReaderPolicy


class FlowControl:
    """A push producer that produces nothing: `transport.registerProducer(gate, True)` opens and closes it."""

    def __init__(self, pace: SlowReaderPolicy, *, taken: Callable[[], int], give_up: Callable[[str], None]) -> None:
        """`taken` says how many bytes the client has taken so far. `give_up` is called with what is wrong when that
        has grown too slowly since the buffer was full: end the connection."""
        self._pace, self._taken, self._give_up = pace, taken, give_up
        self._progress: Progress | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._room = Latch(is_open=True)
        self._turn = asyncio.Lock()  # fair: first come, first served
        self._is_finishing = False

    @property
    def is_open(self) -> bool:
        """Whether a sender would neither wait nor overtake another."""
        return self._room.is_open and not self._turn.locked()

    async def __aenter__(self) -> None:
        await self._turn.acquire()
        try:
            await self._room.wait()
        except BaseException:
            self._turn.release()
            raise

    async def __aexit__(self, *exc_info: object) -> None:
        self._turn.release()

    async def room(self) -> None:
        """Waits for room, for whoever has its turn."""
        await self._room.wait()

    @property
    def is_behind(self) -> bool:
        """Whether the client has not yet taken what is there for it."""
        return self._progress is not None

    def pauseProducing(self) -> None:
        """The buffer is full. Called by the transport, from within `write`."""
        if not self._is_finishing:
            self._room.close()
        self._watch()

    def resumeProducing(self) -> None:
        """The buffer is empty again. Called by the transport."""
        self._room.open()
        self._unwatch()

    def stopProducing(self) -> None:
        """The connection is gone. Called by the transport while this is registered with it; calling twice is fine."""
        self._is_finishing = True
        self._room.open()
        self._unwatch()

    def finish(self) -> None:
        """Nothing follows what is in the buffer: whoever waits goes on, and the client has to take the rest."""
        self._is_finishing = True
        self._room.open()
        self._watch()

    def _watch(self) -> None:
        if self._progress is None:
            self._progress = Progress(self._pace, asyncio.get_running_loop().time(), self._taken())
            self._look_later()

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._pace.interval, self._look)

    def _look(self) -> None:
        if self._progress is None:
            return
        verdict = self._progress.verdict(asyncio.get_running_loop().time(), self._taken())
        if verdict is None:
            self._look_later()
        else:
            self._unwatch()
            self._give_up(verdict)

    def _unwatch(self) -> None:
        self._progress = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
