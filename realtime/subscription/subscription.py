"""A subscription of one socket: the rules of state.py, the writer that sends, and the stream that reads the log."""

from collections.abc import Awaitable, Callable, Sequence
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

    __slots__ = ("_on_end", "log_reader", "may_watch", "method", "snapshot_limit", "target", "user_id", "writer")

    def __init__(
        self,
        key: str,
        method: WSMethod,
        options: Subscribe,
        *,
        writer: Sender,
        on_end: "Callable[[SocketSubscription], None]",
        user_id: str,
        may_watch: "Callable[[SocketSubscription], Awaitable[bool]]",
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
        self._on_end = on_end
        self.user_id = user_id
        self.may_watch = may_watch  # asks again whether this user may watch the stream; raises what the database raises

    def end(self) -> None:
        """The stream has ended, for this user at least: stops, and tells the socket."""
        self.stop()
        self._on_end(self)

    @property
    def channel_of_errors(self) -> str | None:
        """The `channel` of an error about this stream. In the base protocol errors have none."""
        return self.key if self.numbered else None

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
