"""The fast path of sending: a text goes directly to the operating system if nothing is buffered and no sender waits.

Most of the cost of a frame is access to memory of the single socket, which is in no CPU cache. So everything that the
fast path reads is in one small object. Any other way of sending clears `is_clear`, which switches the fast path off;
the slow path sets it again.

Frames that are sent between `hold` and `release` go out in one system call, up to the size of a piece.
"""

from collections.abc import Callable
from typing import Any


class DirectWriter:
    """The application calls `send`, `hold` and `release` (asgi_extension.py)."""

    __slots__ = (
        "_get_frame",
        "_held",
        "_held_bytes",
        "_max_piece_bytes",
        "_send",
        "_send_slow_path",
        "_write_rest",
        "bytes_written",
        "is_clear",
    )

    def __init__(
        self,
        connection: Any,
        get_frame: Callable[[str], bytes],
        *,
        max_piece_bytes: int,
        send_slow_path: Callable[[str | None], bool],
        write_rest: Callable[[bytes], object],
    ) -> None:
        """`connection` is a connected, non-blocking socket. `get_frame` returns the frame of a text. `send_slow_path`
        gets each text that may be larger than `max_piece_bytes`. `write_rest` gets the bytes that the operating system
        did not take at once."""
        self._send = connection.send
        self._get_frame, self._max_piece_bytes = get_frame, max_piece_bytes
        self._send_slow_path, self._write_rest = send_slow_path, write_rest
        self._held: list[bytes] | None = None  # None: frames are sent at once
        self._held_bytes = 0
        self.is_clear = False  # the connection is open, its buffer empty, and no message is half sent
        self.bytes_written = 0  # all bytes of the connection, on either path

    def close(self) -> None:
        """The connection is gone: everything is dropped from now on. The callbacks go, since they refer to the
        connection, which refers to this object: such a cycle would wait for the garbage collector."""
        self.is_clear = False
        self._send_slow_path = self._write_rest = _drop

    def send(self, text: str | None) -> bool:
        """Sends the text if that needs no waiting. Returns whether it was sent."""
        if self.is_clear and text and len(text) <= self._max_piece_bytes // 4:  # a character has at most 4 bytes
            self.write(self._get_frame(text))
            return True
        return self._send_slow_path(text)

    def write(self, frame: bytes) -> None:
        """Sends a frame. Nothing may be buffered before it."""
        if self._held is None:
            self._write(frame)
            return
        self._held.append(frame)
        self._held_bytes += len(frame)
        if self._held_bytes > self._max_piece_bytes:
            self.release()
            self.hold()

    def hold(self) -> None:
        """Keeps frames back until the next `release`. A second call changes nothing."""
        if self._held is None:
            self._held, self._held_bytes = [], 0

    def release(self) -> None:
        """Sends the frames that were kept back."""
        held, self._held = self._held, None
        if held:
            self._write(held[0] if len(held) == 1 else b"".join(held))

    def _write(self, frames: bytes) -> None:
        self.bytes_written += len(frames)
        try:
            sent = self._send(frames)
        except OSError:  # the buffer is full, or the connection is gone: the transport finds out which
            sent = 0
        if sent < len(frames):
            self.is_clear = False
            self._write_rest(frames[sent:])


def _drop(content: object) -> bool:
    return True
