"""Write flow control of one connection: senders wait while the transport's write buffer is full.

Daphne writes all that an application sends into the transport's buffer and returns at once: 200 MB for a client that
does not read are 200 MB of memory. Twisted tells a registered *producer* when the buffer is above its high water mark
(64 KiB) and when it is empty again. FlowControl is that producer, with the words of asyncio and uvicorn:

    async with flow:                # one sender at a time; waits while writing is paused
        transport.write(...)
        await flow.drain()          # before each further piece of a large message
        transport.write(...)

Promises:

- Senders write in the order in which they came.
- A pause ends. Either the buffer drains, or the client is still reading, or it is given up (slow_reader.py).
- No sender waits once the connection is closing or lost. So each sender checks the connection again after it waited.

Knows no sockets. All calls come from the thread of one event loop.
"""

import asyncio
from collections.abc import Callable

from realtime.aio.latch import Latch
from realtime.server.slow_reader import ReadProgress, SlowReaderPolicy


class FlowControl:
    """The push producer of a transport, for its signals only: `transport.registerProducer(flow, True)`."""

    def __init__(
        self, policy: SlowReaderPolicy, *, count_taken: Callable[[], int], on_slow_reader: Callable[[str], None]
    ) -> None:
        """`count_taken` returns how many bytes the client has taken so far. `on_slow_reader` is called once, with the
        reason, when that number grew too slowly since the buffer was full. It has to end the connection."""
        self._policy = policy
        self._count_taken: Callable[[], int] | None = count_taken  # None: the connection is lost
        self._on_slow_reader: Callable[[str], None] | None = on_slow_reader  # as above
        self._progress: ReadProgress | None = None  # None while the client is not behind
        self._timer: asyncio.TimerHandle | None = None  # the next check of the progress
        self._can_write = Latch(is_open=True)
        self._send_lock = asyncio.Lock()  # fair: first come, first served
        self._is_closing = False

    @property
    def can_write_now(self) -> bool:
        """Whether a sender neither waits nor overtakes another one."""
        return self._can_write.is_open and not self._send_lock.locked()

    async def __aenter__(self) -> None:
        await self._send_lock.acquire()
        try:
            await self._can_write.wait()
        except BaseException:
            self._send_lock.release()
            raise

    async def __aexit__(self, *exc_info: object) -> None:
        self._send_lock.release()

    async def drain(self) -> None:
        """Waits until writing is not paused. For the sender that is inside the `async with`."""
        await self._can_write.wait()

    @property
    def is_behind(self) -> bool:
        """Whether data waits for the client to read it."""
        return self._progress is not None

    def pause_writing(self) -> None:
        """The buffer is above the high water mark. The transport calls this from within `write`."""
        if not self._is_closing:
            self._can_write.close()
        self._start_checks()

    def resume_writing(self) -> None:
        """The buffer is empty again. The transport calls this."""
        self._can_write.open()
        self._stop_checks()

    def connection_lost(self) -> None:
        """The connection is gone. The transport calls this while the producer is registered. May be called twice."""
        self._is_closing = True
        self._can_write.open()
        self._stop_checks()
        # They refer to the connection, which refers to this object: the cycle would wait for the garbage collector.
        self._count_taken = self._on_slow_reader = None

    def start_closing(self) -> None:
        """The buffer gets no further data. Waiting senders go on. The client still has to read the rest in time."""
        self._is_closing = True
        self._can_write.open()
        self._start_checks()

    # Twisted's names of a producer's methods
    pauseProducing = pause_writing  # noqa: N815
    resumeProducing = resume_writing  # noqa: N815
    stopProducing = connection_lost  # noqa: N815

    def _start_checks(self) -> None:
        if self._progress is None and self._count_taken is not None:
            self._progress = ReadProgress(self._policy, asyncio.get_running_loop().time(), self._count_taken())
            self._schedule_check()

    def _schedule_check(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._policy.check_interval, self._check_progress)

    def _check_progress(self) -> None:
        if self._progress is None or self._count_taken is None:
            return
        fault = self._progress.find_fault(asyncio.get_running_loop().time(), self._count_taken())
        if fault is None:
            self._schedule_check()
        else:
            self._stop_checks()
            if self._on_slow_reader is not None:
                self._on_slow_reader(fault)

    def _stop_checks(self) -> None:
        self._progress = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
