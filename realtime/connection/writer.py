"""The writer: the only sender of a socket. Heartbeats first, then answers, then events, the socket's streams in turn.

A frame is sent by the call that brings it. The writer's task is woken only if the frame cannot be sent at once.

The log is read for a subscription while the writer goes on, one read at a time. So a slow database delays neither
answers nor the streams that need no read.

A writer ends when `send` raises. An exception that means a lost connection (lost.py) is not logged. Every other
exception is a defect: it is logged, counted, and reported to the consumer, which closes the socket with 1011.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any

from realtime.aio.eager import begin, between_tasks
from realtime.asgi_extension import DirectSender
from realtime.conf import limits
from realtime.connection.lost import Send, is_connection_lost
from realtime.connection.send_queue import SendQueue
from realtime.metrics import count, sent
from realtime.subscription.subscription import SocketSubscription

logger = logging.getLogger(__name__)

ENDS_PROCESS = (KeyboardInterrupt, SystemExit)  # not a failure of one socket
GOODBYE_TIMEOUT = 5.0  # seconds in which a server tells the consumer that its connection is gone


class Writer:
    """`send` is the server's, as ASGI defines it. `direct_sender` is the server's cheaper way to send, if it has one.
    `on_failure` is called, at most once, with the exception that makes the socket unusable."""

    __slots__ = (
        "_context",
        "_direct_sender",
        "_idle",
        "_is_idle",
        "_is_over",
        "_on_failure",
        "_queue",
        "_reading",
        "_send",
        "_sending",
        "_task",
    )

    def __init__(
        self,
        send: Send,
        direct_sender: DirectSender | None = None,
        *,
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._send, self._direct_sender = send, direct_sender
        self._on_failure: Callable[[Exception], None] | None = on_failure
        self._queue = SendQueue()
        self._task: asyncio.Task[None]
        self._context: Context  # the task's
        self._is_idle = False  # all has been sent, and the task waits for `_idle`
        self._is_over = False  # nothing more is sent
        self._idle: asyncio.Future[None]
        self._sending: Coroutine[Any, Any, None] | None = None  # the rest of a send, which the task is woken for
        self._reading: asyncio.Task[None] | None = None  # reads the log for the subscriptions that need it

    def start(self) -> asyncio.Task[None]:
        """Makes its task."""
        self._context = copy_context()
        self._task = asyncio.create_task(self.run(), context=self._context)
        return self._task

    async def run(self) -> None:
        """Sends until it is cancelled, or until a send fails."""
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
            if not self._task.cancelling():  # the exception is of the send: the writer itself is not cancelled
                self._fail(RuntimeError("The sending of a frame was cancelled"))
            raise
        except (*ENDS_PROCESS, GeneratorExit):  # the latter: the event loop has ended
            raise
        except BaseException as error:
            self._fail(error)
        finally:
            self._is_idle = False
            if self._sending:
                self._sending.close()
            if self._reading:
                self._reading.cancel()
            del self._task  # its exception refers to this writer, by the frame of this method

    # What is to be sent

    def pong(self, frame: str) -> None:
        """Sends a heartbeat's answer before everything else."""
        self._queue.pongs.append(frame)
        self._on_queued()

    def answer(self, frame: str) -> None:
        """Sends an answer before all events."""
        self._queue.answers.append(frame)
        self._on_queued()

    def _on_queued(self) -> None:
        if self._is_over:
            self._end()
            return
        self._send_queued()
        self._queue.limit_room()

    def ready(self, subscription: SocketSubscription) -> None:
        """The subscription has something to send or to read."""
        if self._queue.add(subscription):
            self._send_queued()

    async def wait_for_room(self) -> None:
        """Waits until fewer answers than MAX_PENDING_REQUESTS are unsent: the client must read the earlier ones."""
        await self._queue.wait_for_room()

    # Sending

    def send_now(self, frame: str) -> bool:
        """Sends the frame if nothing is before it. Returns whether it did."""
        if not self._is_idle:
            return False
        if self._direct_sender is None:
            self._begin(frame)
            queue = self._queue
            if self._is_idle and (queue.pongs or queue.answers or queue.ready):  # `send` has added them
                self._send_queued()
            return True
        try:
            if not self._direct_sender.send(frame):
                self._sending = self._send(_message(frame))
                self._wake()
        except ENDS_PROCESS:
            raise
        except BaseException as error:  # ends this writer, not the caller
            self._wake(error)
        return True

    def _begin(self, frame: str) -> None:
        """Sends a frame that nothing is before, if the server has no cheaper way."""
        self._is_idle = False
        try:
            self._sending = begin(self._send(_message(frame)), self._task, self._context)
            self._is_idle = not self._is_over
            if self._sending:
                self._wake()
        except ENDS_PROCESS:
            raise
        except BaseException as error:  # as above
            self._wake(error)

    def hold(self) -> None:
        """Frames that are sent from now on may go out together, at the next `release`."""
        if self._direct_sender:
            self._direct_sender.hold()

    def release(self) -> None:
        """Sends the frames that were held."""
        if self._direct_sender:
            try:
                self._direct_sender.release()
            except Exception as error:  # as above
                self._fail(error)

    def _wake(self, error: BaseException | None = None) -> None:
        self._is_idle = False
        if self._idle.done():
            return  # the task has been cancelled
        if error:
            self._idle.set_exception(error)
        else:
            self._idle.set_result(None)

    def _send_queued(self) -> None:
        """Sends what is queued, if the task is idle. Otherwise the task sends it."""
        if not self._is_idle:
            return
        self.hold()
        send: Callable[[str], object] = self._begin if self._direct_sender is None else self.send_now
        try:
            with between_tasks():
                while self._is_idle and (frame := self._next_frame()) is not None:
                    send(frame)
        except Exception as error:  # as above
            self._fail(error)
        finally:
            self.release()

    def _next_frame(self) -> str | None:
        frame = self._queue.next_frame()
        if frame is not None:
            sent.add(frame)
        if self._queue.to_read and (self._reading is None or self._reading.done()):
            self._reading = asyncio.get_running_loop().create_task(self._read_all())
        return frame

    # Reading the log

    async def _read_all(self) -> None:
        while self._queue.to_read:
            subscription = self._queue.to_read.pop(0)
            delay = 0.0
            try:
                await subscription.read_from_log()
            except Exception as error:
                count("errors")
                logger.warning("Reading %s from the log failed (%r); trying again", subscription.key, error)
                delay = limits.SWEEP_INTERVAL
            asyncio.get_running_loop().call_later(delay, self._on_read, subscription)

    def _on_read(self, subscription: SocketSubscription) -> None:
        self._queue.remove(subscription)
        if subscription.has_work:
            self.ready(subscription)

    # The end

    def stop(self) -> None:
        """The consumer has ended: nothing more is sent or reported."""
        self._end()
        self._on_failure = None

    def _fail(self, error: BaseException) -> None:
        if self._is_over:
            return
        self._end()
        if not isinstance(error, Exception):  # a panic of a Rust extension, for example
            error, cause = RuntimeError(f"The sending of a frame raised {error!r}"), error
            error.__cause__ = cause
        if is_connection_lost(error):
            logger.debug("The connection takes nothing more: %r", error)
            # The lost connection may be another one, as a middleware's to Redis. Then no disconnect message comes.
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
        self._queue.clear()  # so that the consumer goes on to its own end


def _message(frame: str) -> dict[str, Any]:
    return {"type": "websocket.send", "text": frame}
