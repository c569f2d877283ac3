"""What a socket's writer has yet to send. Heartbeats first, then answers, then events, the socket's streams in turn."""

from realtime.aio.latch import Latch
from realtime.conf import limits
from realtime.subscription.subscription import SocketSubscription


class SendQueue:
    """Subscriptions keep their own events; the queue holds the subscriptions."""

    __slots__ = ("_queued", "_room", "answers", "pongs", "ready", "to_read")

    def __init__(self) -> None:
        # Lists, which are short: every socket has these, and an empty deque takes 760 bytes.
        self.pongs: list[str] = []
        self.answers: list[str] = []
        self.ready: list[SocketSubscription] = []  # have events to send, or need the log
        self.to_read: list[SocketSubscription] = []  # need the log
        self._queued: set[SocketSubscription] = set()  # those in `ready` or `to_read`, and the one being read for
        self._room = Latch(is_open=True)

    def add(self, subscription: SocketSubscription) -> bool:
        """Queues the subscription. Returns False if it is queued already."""
        if subscription in self._queued:
            return False
        self._queued.add(subscription)
        self.ready.append(subscription)
        return True

    def remove(self, subscription: SocketSubscription) -> None:
        """The log has been read for the subscription: it may be added again."""
        self._queued.discard(subscription)

    def clear(self) -> None:
        """Drops all pongs and answers. Waiters for room go on."""
        self.pongs.clear()
        self.answers.clear()
        self._room.open()

    def next_frame(self) -> str | None:
        """The next frame to send, or None. Moves subscriptions that need the log to `to_read`."""
        for frames in (self.pongs, self.answers):
            if frames:
                frame = frames.pop(0)
                if not self._is_full:
                    self._room.open()
                return frame
        while self.ready:
            subscription = self.ready.pop(0)
            event = subscription.take()
            if event is None and subscription.has_work:
                self.to_read.append(subscription)  # it stays in _queued until the log has been read
                continue
            if subscription.has_work:
                self.ready.append(subscription)
            else:
                self._queued.discard(subscription)
            if event is not None and (frame_or_none := subscription.frame_of(event)) is not None:
                return frame_or_none
        return None

    # Room for answers

    @property
    def _is_full(self) -> bool:
        limit: int = limits.MAX_PENDING_REQUESTS
        return len(self.pongs) + len(self.answers) >= limit

    def limit_room(self) -> None:
        """Closes the room if MAX_PENDING_REQUESTS pongs and answers are unsent."""
        if self._is_full:
            self._room.close()

    async def wait_for_room(self) -> None:
        """Returns when fewer pongs and answers than MAX_PENDING_REQUESTS are unsent."""
        await self._room.wait()
