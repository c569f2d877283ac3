"""The writer: the only sender of a socket. Heartbeats first, then answers, then events, the socket's streams in turn.

What a subscription wants from the log is read beside it, one read at a time, so that a slow database delays neither
answers nor the streams that need no read.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from realtime.conf import limits
from realtime.counters import count
from realtime.latch import Latch
from realtime.live_stream import SocketSubscription

logger = logging.getLogger(__name__)


class Writer:
    """`send` sends one text frame and returns when the next one may follow; `send_at_once`, where there is one, sends
    it if nothing has to be waited for, and says whether it has; `fill` reads for a subscription."""

    def __init__(
        self,
        send: Callable[[str], Awaitable[None]],
        fill: Callable[[SocketSubscription], Awaitable[None]],
        send_at_once: Callable[[str], bool] | None = None,
    ) -> None:
        self._send, self._fill, self._send_at_once = send, fill, send_at_once
        # Lists, which are short: every socket has these, and an empty deque takes 760 bytes.
        self._pongs: list[str] = []
        self._answers: list[str] = []
        self._ready: list[SocketSubscription] = []
        self._queued: set[SocketSubscription] = set()
        self._to_read: list[SocketSubscription] = []
        self._reading: asyncio.Task[None] | None = None
        self._unsent: str | None = None
        self._idle: asyncio.Future[None] | None = None  # all has been sent, and the task waits
        self._room = Latch(is_open=True)

    async def run(self) -> None:
        """Sends until it is cancelled, or the connection takes nothing more."""
        try:
            while True:
                frame, self._unsent = self._unsent or self._next_frame(), None
                if frame is None:
                    self._idle = asyncio.get_running_loop().create_future()
                    await self._idle
                else:
                    await self._send(frame)
        except Exception as error:
            logger.debug("The connection takes nothing more: %r", error)  # its end is on its way to the consumer
        finally:
            self._idle = None
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
            self._go_on()

    def _added(self) -> None:
        self._go_on()
        if len(self._pongs) + len(self._answers) >= limits.MAX_PENDING_REQUESTS:
            self._room.close()

    def _go_on(self) -> None:
        """There is something to send: at once, if nothing is before it. To wake the task for it would cost as much as
        the sending."""
        if self._idle is None or self._idle.done():
            return
        if self._send_at_once:
            while (frame := self._next_frame()) is not None:
                if not self._send_at_once(frame):
                    self._unsent = frame
                    break
            else:
                return
        self._idle.set_result(None)

    def _next_frame(self) -> str | None:
        for queue in (self._pongs, self._answers):
            if queue:
                frame = queue.pop(0)
                if len(self._pongs) + len(self._answers) < limits.MAX_PENDING_REQUESTS:
                    self._room.open()
                return frame
        while self._ready:
            subscription = self._ready.pop(0)
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
            subscription = self._to_read.pop(0)
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
