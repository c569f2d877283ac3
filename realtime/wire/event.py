"""An event on its way to the sockets of this process: each form of its frame is built once, on first need."""

from realtime.wire.frames import event_frame, numbered
from realtime.wire.methods import NUMBERED_ONLY


class Event:
    """`channel` is what the frame says: the stream's key, or None for notifications. `size` is that of the data.
    `frame` and `numbered_frame` are its two forms."""

    __slots__ = ("_channel", "_data", "frame", "method", "numbered_frame", "seq", "size")

    frame: str
    numbered_frame: str

    def __init__(self, seq: int, method: str, data: str | None, channel: str | None) -> None:
        if data is None:
            raise ValueError("An event without data cannot be sent; read it from the log.")
        self.seq, self.method, self._data, self._channel = seq, method, data, channel
        self.size = len(data)

    @property
    def is_added(self) -> bool:
        """Whether only subscriptions with numbers get it."""
        return self.method in NUMBERED_ONLY

    def frame_for(self, numbered: bool) -> str | None:
        """What a client gets of it, by whether it knows numbers; None where that is nothing."""
        if numbered:
            return self.numbered_frame
        return None if self.is_added else self.frame

    def __getattr__(self, name: str) -> str:
        """The form of the frame that was not asked for before."""
        if name == "frame":
            self.frame = event_frame(self.method, self._data, self._channel)
            return self.frame
        if name == "numbered_frame":
            self.numbered_frame = numbered(event_frame(self.method, self._data, self._channel), self.seq)
            return self.numbered_frame
        raise AttributeError(name)
