"""A subscription of one socket: the rules of state.py, the writer that sends, and the stream that reads the log."""

from collections.abc import Callable, Sequence
from typing import Protocol

from realtime.conf import limits
from realtime.metrics import sent
from realtime.subscription.state import Subscription
from realtime.wire.event import Event
from realtime.wire.methods import WSMethod
from realtime.wire.requests import Subscribe


class Sender(Protocol):
    """The writer of a socket, as its subscriptions see it."""

    def ready(self, subscription: "SocketSubscription") -> None: ...
    def answer(self, frame: str) -> None: ...
    def send_now(self, frame: str) -> bool: ...
    def hold(self) -> None: ...
    def release(self) -> None: ...


class LogReader(Protocol):
    """The stream of a process, as its subscriptions see it."""

    async def fill(self, subscription: "SocketSubscription") -> None: ...


class SocketSubscription(Subscription[Event]):
    """A subscription with what its socket knows of it."""

    __slots__ = ("log_reader", "method", "on_end", "snapshot_limit", "target", "writer")

    def __init__(
        self,
        key: str,
        method: WSMethod,
        options: Subscribe,
        *,
        writer: Sender,
        on_end: "Callable[[SocketSubscription], None]",
    ) -> None:
        super().__init__(
            key,
            numbered=options.numbered,
            max_events=limits.BUFFER_EVENTS,
            max_bytes=limits.BUFFER_BYTES,
        )
        self.method = method  # of the request that made it
        self.target = options.target  # what an unsubscribe says to mean this stream
        self.snapshot_limit: int = options.limit or limits.SNAPSHOT_LIMIT  # entities in a snapshot
        self.writer = writer
        self.log_reader: LogReader | None = None  # the hub sets it
        self.on_end = on_end  # called when the stream has ended

    def wake(self) -> None:
        self.writer.ready(self)

    def answer(self, frame: str) -> None:
        """Sends it before all events."""
        self.writer.answer(frame)

    async def read_from_log(self) -> None:
        """Reads what is wanted. Raises what the database raises."""
        if self.log_reader:
            await self.log_reader.fill(self)

    def offer_together(self, events: Sequence[Event]) -> int:
        """`offer` for each of them; what can be sent goes out together. Returns how often the buffer was full."""
        self.writer.hold()
        try:
            return sum(not self.offer(event) for event in events)
        finally:
            self.writer.release()

    def send_now(self, event: Event) -> bool:
        frame = self.frame_of(event)
        if frame is None:
            return True
        is_sent = self.writer.send_now(frame)
        if is_sent:
            sent.add(frame)
        return is_sent

    def frame_of(self, event: Event) -> str | None:
        """The frame that the client gets, or None if the event is not for it."""
        return event.frame_for(self.numbered)
