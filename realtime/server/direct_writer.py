"""The short way out of a connection: a text goes straight to the system where nothing is before it and nobody waits.

Most of what a frame costs is memory that each socket has for itself and that no cache holds. So all that the short way
looks at is in one small object; whatever else is sent takes the short way away, and the long way gives it back.

What is sent in one go goes out in one call of the system, up to the size of a piece.
"""

from collections.abc import Callable
from typing import Any


class DirectWriter:
    """`send`, `hold` and `release` are the application's (asgi_extension.py). `is_clear` says that the connection is
    open, its buffer empty, and no sender in the midst of a message; `written` is how many bytes were sent, by
    whichever way."""

    __slots__ = (
        "_frame_of",
        "_held",
        "_held_bytes",
        "_piece",
        "_send",
        "_send_otherwise",
        "_write_rest",
        "is_clear",
        "written",
    )

    def __init__(
        self,
        connection: Any,
        frame_of: Callable[[str], bytes],
        *,
        piece: int,
        send_otherwise: Callable[[str | None], bool],
        write_rest: Callable[[bytes], None],
    ) -> None:
        """`connection` is a connected socket that does not block. A text that may be larger than `piece` bytes goes the
        long way, which is `send_otherwise`; `write_rest` gets what the system does not take at once."""
        self._send = connection.send
        self._frame_of, self._piece = frame_of, piece
        self._send_otherwise, self._write_rest = send_otherwise, write_rest
        self._held: list[bytes] | None = None
        self._held_bytes = 0
        self.is_clear = False
        self.written = 0

    def send(self, text: str | None) -> bool:
        """Sends the text if nobody has to wait for it, and returns whether it has."""
        if self.is_clear and text and len(text) <= self._piece // 4:  # characters, whatever they are
            self.write(self._frame_of(text))
            return True
        return self._send_otherwise(text)

    def write(self, frame: bytes) -> None:
        """Sends a frame before which nothing waits."""
        if self._held is None:
            self._write(frame)
            return
        self._held.append(frame)
        self._held_bytes += len(frame)
        if self._held_bytes > self._piece:
            self.release()
            self.hold()

    def hold(self) -> None:
        """Until the next `release`, frames are kept. To hold twice is to hold once."""
        if self._held is None:
            self._held, self._held_bytes = [], 0

    def release(self) -> None:
        """Sends what was kept."""
        held, self._held = self._held, None
        if held:
            self._write(held[0] if len(held) == 1 else b"".join(held))

    def _write(self, frames: bytes) -> None:
        self.written += len(frames)
        try:
            sent = self._send(frames)
        except OSError:  # it takes nothing now, or never again: the transport finds out which
            sent = 0
        if sent < len(frames):
            self.is_clear = False
            self._write_rest(frames[sent:])
