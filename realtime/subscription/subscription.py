"""What one socket wants of one stream: the rules of state.py, and the writer that sends."""

from collections.abc import Callable, Sequence
from typing import Protocol

from realtime.conf import limits
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


class SocketSubscription(Subscription[Event]):
    """A subscription with what its socket knows of it. `method` is that of its subscribe, `target` what the client
    calls the stream, `snapshot_limit` the most entities that a snapshot may have; `on_end` is told when the stream is
    gone. `heard` is up to where its client has had the events."""

    __slots__ = ("_heard", "method", "on_end", "snapshot_limit", "target", "writer")

    def __init__(
        self,
        key: str,
        method: WSMethod,
        wish: Subscribe,
        *,
        writer: Sender,
        on_end: "Callable[[SocketSubscription], None]",
    ) -> None:
        super().__init__(
            key,
            numbered=wish.numbered,
            max_events=limits.BUFFER_EVENTS,
            max_bytes=limits.BUFFER_BYTES,
        )
        self.method, self.target = method, wish.target
        self.snapshot_limit: int = wish.limit or limits.SNAPSHOT_LIMIT
        self.writer, self.on_end = writer, on_end
        self._heard = 0  # while it is lost

    def wake(self) -> None:
        self.writer.ready(self)

    def answer(self, frame: str) -> None:
        """Sends it before all events."""
        self.writer.answer(frame)

    def offer_together(self, events: Sequence[Event]) -> int:
        """`offer` for each of them; what can be sent goes out together. Returns how often the buffer was full."""
        self.writer.hold()
        try:
            return sum(not self.offer(event) for event in events)
        finally:
            self.writer.release()

    def send_now(self, event: Event) -> bool:
        frame = self.frame_of(event)
        return frame is None or self.writer.send_now(frame)

    def frame_of(self, event: Event) -> str | None:
        """What the client gets of it."""
        return event.frame_for(self.numbered)

    @property
    def heard(self) -> int:
        return self._heard if self.is_lost else self.cursor

    def lose_history(self, heard: int) -> None:
        """`lose`; in the history that the snapshot will be of, the client has had the events up to `heard`."""
        self._heard = heard
        self.lose()
