"""The writer: the only sender of a socket. Heartbeats first, then answers, then events, the socket's streams in turn.

What a subscription wants from the log is read beside it, one read at a time, so that a slow database delays neither
answers nor the streams that need no read.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from realtime.conf import limits
from realtime.counters import count
from realtime.live_stream import SocketSubscription

logger = logging.getLogger(__name__)


class Writer:
    """`send` sends one text frame and returns when the next one may follow; `fill` reads for a subscription."""

    def __init__(
        self, send: Callable[[str], Awaitable[None]], fill: Callable[[SocketSubscription], Awaitable[None]]
    ) -> None:
        self._send, self._fill = send, fill
        self._pongs: deque[str] = deque()
        self._answers: deque[str] = deque()
        self._ready: deque[SocketSubscription] = deque()
        self._queued: set[SocketSubscription] = set()
        self._to_read: deque[SocketSubscription] = deque()
        self._reading: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def run(self) -> None:
        """Sends until it is cancelled, or the connection takes nothing more."""
        try:
            while True:
                frame = self._next_frame()
                if frame is None:
                    self._wake.clear()
                    await self._wake.wait()
                else:
                    await self._send(frame)
        except Exception as error:
            logger.debug("The connection takes nothing more: %r", error)  # its end is on its way to the consumer
        finally:
            if self._reading:
                self._reading.cancel()

    async def has_room(self) -> None:
        """Waits until fewer answers than MAX_PENDING_REQUESTS are unsent: who does not read is not answered more."""
        await self._room.wait()

    def pong(self, frame: str) -> None:
        """Sends a heartbeat's answer before everything else."""
        self._pongs.append(frame)
        self._added()

    def answer(self, frame: str) -> None:
        """Sends an answer before all events."""
        self._answers.append(frame)
        self._added()

    def ready(self, subscription: SocketSubscription) -> None:
        """The subscription has something to send or to read."""
        if subscription not in self._queued:
            self._queued.add(subscription)
            self._ready.append(subscription)
            self._wake.set()

    def _added(self) -> None:
        self._wake.set()
        if len(self._pongs) + len(self._answers) >= limits.MAX_PENDING_REQUESTS:
            self._room.clear()

    def _next_frame(self) -> str | None:
        for queue in (self._pongs, self._answers):
            if queue:
                frame = queue.popleft()
                if len(self._pongs) + len(self._answers) < limits.MAX_PENDING_REQUESTS:
                    self._room.set()
                return frame
        while self._ready:
            subscription = self._ready.popleft()
            event = subscription.take()
            if event is None and subscription.has_work:
                self._read(subscription)  # it stays in _queued until it has been read for
                continue
            if subscription.has_work:
                self._ready.append(subscription)
            else:
                self._queued.discard(subscription)
            if event is not None and (subscription.numbered or not event.is_added):
                return event.numbered_frame if subscription.numbered else event.frame
        return None

    def _read(self, subscription: SocketSubscription) -> None:
        self._to_read.append(subscription)
        if self._reading is None or self._reading.done():
            self._reading = asyncio.get_running_loop().create_task(self._read_all())

    async def _read_all(self) -> None:
        while self._to_read:
            subscription = self._to_read.popleft()
            delay = 0.0
            try:
                await self._fill(subscription)
            except Exception as error:
                count("errors")
                logger.warning("Reading %s from the log failed (%r); trying again", subscription.key, error)
                delay = limits.SWEEP_INTERVAL
            asyncio.get_running_loop().call_later(delay, self._read_done, subscription)

    def _read_done(self, subscription: SocketSubscription) -> None:
        self._queued.discard(subscription)
        if subscription.has_work:
            self.ready(subscription)
