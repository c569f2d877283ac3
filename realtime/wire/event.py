"""An event for the sockets of this process. Each form of its frame is built once, when it is needed first."""

from realtime.wire.frames import event_frame, with_id, with_seq
from realtime.wire.methods import NUMBERED_ONLY


class Event:
    """An event with its data. `frame` and `numbered_frame` are the two forms of its frame, without and with `seq`. The
    numbered frame of a notification also has its `id`."""

    __slots__ = ("_channel", "_data", "_id", "at", "frame", "method", "numbered_frame", "seq", "size")

    frame: str  # for clients of the base protocol
    numbered_frame: str  # for clients that know numbers

    def __init__(
        self,
        seq: int,
        method: str,
        data: str | None,
        channel: str | None,
        *,
        id: str | None = None,
        at: float | None = None,
    ) -> None:
        """`data` is JSON text. `channel` is the stream's key, or None for notifications. `id` is a notification's. `at`
        is the time of the commit or of the record, in seconds since 1970, where it is known."""
        if data is None:
            raise ValueError("An event without data cannot be sent; read it from the log.")
        self.seq, self.method, self._data, self._channel, self._id = seq, method, data, channel, id
        self.at = at
        self.size = len(data)  # characters

    @property
    def is_numbered_only(self) -> bool:
        """Whether only clients that know numbers get this event."""
        return self.method in NUMBERED_ONLY

    def frame_for(self, numbered: bool) -> str | None:
        """The frame for a client that knows numbers, or for one that does not; None if it gets none."""
        if numbered:
            return self.numbered_frame
        return None if self.is_numbered_only else self.frame

    def __getattr__(self, name: str) -> str:
        """Builds a form of the frame at its first use. Later uses find the attribute and do not call this."""
        if name not in ("frame", "numbered_frame"):
            raise AttributeError(name)
        frame = event_frame(self.method, self._data, self._channel)
        if name == "numbered_frame":
            frame = with_seq(frame, self.seq)
            if self._id:
                frame = with_id(frame, self._id)
        setattr(self, name, frame)
        return frame
