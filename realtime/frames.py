"""An event on its way to the sockets of this process: each form of its frame is built once, on first need."""

from realtime.messages import ADDED_EVENTS, event_frame, numbered


class Event:
    """`channel` is what the frame says: the stream's key, or None for notifications. `size` is that of the data."""

    __slots__ = ("_channel", "_data", "_frame", "_numbered_frame", "method", "seq", "size")

    def __init__(self, seq: int, method: str, data: str | None, channel: str | None) -> None:
        if data is None:
            raise ValueError("An event without data cannot be sent; read it from the log.")
        self.seq, self.method, self._data, self._channel = seq, method, data, channel
        self.size = len(data)
        self._frame: str | None = None
        self._numbered_frame: str | None = None

    @property
    def is_added(self) -> bool:
        """Whether only subscriptions with numbers get it."""
        return self.method in ADDED_EVENTS

    @property
    def frame(self) -> str:
        if self._frame is None:
            self._frame = event_frame(self.method, self._data, self._channel)
        return self._frame

    @property
    def numbered_frame(self) -> str:
        if self._numbered_frame is None:
            self._numbered_frame = numbered(event_frame(self.method, self._data, self._channel), self.seq)
        return self._numbered_frame
