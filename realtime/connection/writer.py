"""The writer: the only sender of a socket. Heartbeats first, then answers, then events, the socket's streams in turn.

A frame is sent where it comes up, by whoever brings it: the writer's task is woken only if it cannot go out at once.

What a subscription wants from the log is read beside it, one read at a time, so that a slow database delays neither
answers nor the streams that need no read.

A writer ends when `send` raises. What servers raise for a connection that has gone (`is_lost`) is not logged. Every
other exception is a defect: it is logged, counted, and reported to the consumer, which closes the socket with 1011.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any

from autobahn.exception import Disconnected

from realtime.aio.eager import begin, between_tasks
from realtime.aio.latch import Latch
from realtime.asgi_extension import DirectSender
from realtime.conf import limits
from realtime.metrics import count
from realtime.subscription.subscription import SocketSubscription
from realtime.wire.close_codes import INTERNAL_ERROR

logger = logging.getLogger(__name__)

Send = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]

GOODBYE_TIMEOUT = 5.0  # seconds in which a consumer learns that its connection has gone


class Writer:
    """`send` is the server's, as ASGI has it; `direct_sender`, where there is one, is its cheaper way; `fill` reads
    for a subscription; `on_failure` is told, at most once, why the socket cannot be sent to any more."""

    __slots__ = (
        "_answers",
        "_context",
        "_direct_sender",
        "_fill",
        "_idle",
        "_is_idle",
        "_is_over",
        "_on_failure",
        "_pongs",
        "_queued",
        "_reading",
        "_ready",
        "_room",
        "_send",
        "_sending",
        "_task",
        "_to_read",
    )

    def __init__(
        self,
        send: Send,
        fill: Callable[[SocketSubscription], Coroutine[Any, Any, None]],
        direct_sender: DirectSender | None = None,
        *,
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._send, self._fill, self._direct_sender = send, fill, direct_sender
        self._on_failure: Callable[[Exception], None] | None = on_failure
        # Lists, which are short: every socket has these, and an empty deque takes 760 bytes.
        self._pongs: list[str] = []
        self._answers: list[str] = []
        self._ready: list[SocketSubscription] = []
        self._queued: set[SocketSubscription] = set()
        self._to_read: list[SocketSubscription] = []
        self._reading: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None]
        self._context: Context  # the task's
        self._is_idle = self._is_over = False  # all has been sent, and the task waits; nothing more is sent
        self._idle: asyncio.Future[None]
        self._sending: Coroutine[Any, Any, None] | None = None  # what the task was woken for
        self._room = Latch(is_open=True)

    def start(self) -> asyncio.Task[None]:
        """Makes its task."""
        self._context = copy_context()
        self._task = asyncio.create_task(self.run(), context=self._context)
        return self._task

    async def run(self) -> None:
        """Sends until it is cancelled, or the connection takes nothing more."""
        try:
            while True:
                if (frame := self._next_frame()) is not None:
                    await self._send(_message(frame))
                    continue
                self._idle, self._is_idle = asyncio.get_running_loop().create_future(), True
                await self._idle
                if self._sending:
                    sending, self._sending = self._sending, None
                    await sending
        except asyncio.CancelledError:
            if not self._task.cancelling():  # nobody has cancelled the writer
                self._fail(RuntimeError("The sending of a frame was cancelled"))
            raise
        except Exception as error:
            self._fail(error)
        finally:
            self._is_idle = False
            if self._sending:
                self._sending.close()
            if self._reading:
                self._reading.cancel()

    def stop(self) -> None:
        """The consumer has come to its end: nothing more is sent, and nothing is reported."""
        self._end()
        self._on_failure = None

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
        if self._is_over:
            self._end()
            return
        self._go_on()
        if len(self._pongs) + len(self._answers) >= limits.MAX_PENDING_REQUESTS:
            self._room.close()

    def send_now(self, frame: str) -> bool:
        """Sends it if nothing is before it, and returns whether that was so."""
        if not self._is_idle:
            return False
        if self._direct_sender is None:
            self._begin(frame)
            if self._is_idle and (self._pongs or self._answers or self._ready):  # `send` has brought it
                self._go_on()
            return True
        try:
            if not self._direct_sender.send(frame):
                self._sending = self._send(_message(frame))
                self._wake()
        except (Exception, asyncio.CancelledError) as error:  # the task's own end, not that of who brought the frame
            self._wake(error)
        return True

    def _begin(self, frame: str) -> None:
        """Sends what nothing is before, where the server has no cheaper way."""
        self._is_idle = False
        try:
            self._sending = begin(self._send(_message(frame)), self._task, self._context)
            self._is_idle = not self._is_over
            if self._sending:
                self._wake()
        except (Exception, asyncio.CancelledError) as error:  # as above
            self._wake(error)

    def hold(self) -> None:
        """What is sent from now on may go out together, at the next `release`."""
        if self._direct_sender:
            self._direct_sender.hold()

    def release(self) -> None:
        """Sends what was held back."""
        if self._direct_sender:
            try:
                self._direct_sender.release()
            except Exception as error:  # not that of who brought the frames
                self._fail(error)

    def _wake(self, error: BaseException | None = None) -> None:
        self._is_idle = False
        if self._idle.done():
            return  # the task has been cancelled
        if error:
            self._idle.set_exception(error)
        else:
            self._idle.set_result(None)

    def _go_on(self) -> None:
        """There is something to send: at once, if nothing is before it."""
        if not self._is_idle:
            return
        self.hold()
        send: Callable[[str], object] = self._begin if self._direct_sender is None else self.send_now
        try:
            with between_tasks():
                while self._is_idle and (frame := self._next_frame()) is not None:
                    send(frame)
        except Exception as error:  # not that of who brought the frame
            self._fail(error)
        finally:
            self.release()

    def _fail(self, error: Exception) -> None:
        if self._is_over:
            return
        self._end()
        if is_lost(error):
            logger.debug("The connection takes nothing more: %r", error)
            # It may be another connection's, a middleware's to Redis. Then no goodbye comes, and the socket is mute.
            asyncio.get_running_loop().call_later(GOODBYE_TIMEOUT, self._report, error)
        else:
            self._report(error)

    def _report(self, error: Exception) -> None:
        on_failure, self._on_failure = self._on_failure, None
        if on_failure:
            count("errors")
            logger.error("A socket cannot be sent to; it is closed", exc_info=error)
            on_failure(error)

    def _end(self) -> None:
        self._is_over, self._is_idle = True, False
        self._pongs.clear()
        self._answers.clear()
        self._room.open()  # so that the consumer goes on, to its own end

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
            if event is not None and (text := subscription.frame_of(event)) is not None:
                return text
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


def _message(frame: str) -> dict[str, Any]:
    return {"type": "websocket.send", "text": frame}


def is_lost(error: Exception) -> bool:
    """Whether a server says with this that the connection has gone. The ASGI specification wants an OSError, as which
    uvicorn raises its ClientDisconnected; a send after the end of a connection is a RuntimeError there. autobahn, under
    Daphne, raises Disconnected. realtime/server.py and hypercorn raise nothing."""
    is_too_late = isinstance(error, RuntimeError) and "after sending 'websocket.close'" in str(error)
    return is_too_late or isinstance(error, OSError | Disconnected)


async def close_failed(send: Send, error: Exception) -> None:
    """Closes a socket that has failed with `error`, with 1011. Under Daphne an application cannot send this code;
    there the server sends it for an application that ends with an exception."""
    try:
        await send({"type": "websocket.close", "code": INTERNAL_ERROR})
    except Exception as refusal:
        if not is_lost(refusal):
            raise error from None
