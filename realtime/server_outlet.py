"""The short way out of a connection: a text goes straight to the system where nothing is before it and nobody waits.

Most of what a frame costs is memory that each socket has for itself and that no cache holds. So all that the short way
looks at is in one small object; whatever else is sent takes the short way away, and the long way gives it back.
"""

from collections.abc import Callable
from typing import Any


class Outlet:
    """`send` is the application's. `is_clear` says that the connection is open, its buffer empty, and no sender in the
    midst of a message; `written` is how many bytes were sent, by whichever way."""

    __slots__ = ("_frame_of", "_most", "_send", "_send_otherwise", "_write_rest", "is_clear", "written")

    def __init__(
        self,
        connection: Any,
        frame_of: Callable[[str], bytes],
        *,
        most: int,
        send_otherwise: Callable[[str | None], bool],
        write_rest: Callable[[bytes], None],
    ) -> None:
        """`connection` is a connected socket that does not block. A text of more than `most` characters goes the long
        way, which is `send_otherwise`; `write_rest` gets what the system does not take at once."""
        self._send = connection.send
        self._frame_of, self._most = frame_of, most
        self._send_otherwise, self._write_rest = send_otherwise, write_rest
        self.is_clear = False
        self.written = 0

    def send(self, text: str | None) -> bool:
        """Sends the text if nobody has to wait for it, and returns whether it has."""
        if self.is_clear and text and len(text) <= self._most:
            self.write(self._frame_of(text))
            return True
        return self._send_otherwise(text)

    def write(self, frame: bytes) -> None:
        """Sends a frame before which nothing waits."""
        self.written += len(frame)
        try:
            sent = self._send(frame)
        except OSError:  # it takes nothing now, or never again: the transport finds out which
            sent = 0
        if sent < len(frame):
            self.is_clear = False
            self._write_rest(frame[sent:])
