"""A WebSocket client for bad behaviour: it can read nothing, break the protocol, or leave without a close."""

import base64
import os
import socket
import ssl
import struct
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.realtime.server_process import PATIENCE

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


@dataclass(frozen=True)
class Frame:
    opcode: int
    payload: bytes

    @property
    def close_code(self) -> int | None:
        return struct.unpack("!H", self.payload[:2])[0] if self.opcode == CLOSE and self.payload else None


def frame(payload: bytes, opcode: int = TEXT, *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """The bytes of a client's frame. The mask is zero, so the payload stays readable."""
    return frame_head(len(payload), opcode, fin=fin, rsv=rsv, masked=masked) + payload


def frame_head(length: int, opcode: int = TEXT, *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    first, mask_bit = fin << 7 | rsv << 4 | opcode, masked << 7
    mask = bytes(4) if masked else b""
    if length < 126:
        return struct.pack("!BB", first, mask_bit | length) + mask
    if length < 1 << 16:
        return struct.pack("!BBH", first, mask_bit | 126, length) + mask
    return struct.pack("!BBQ", first, mask_bit | 127, length) + mask


def handshake(port: int, path: str = "/", *headers: str) -> bytes:
    """The request that opens a WebSocket."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def read_to_end(raw: socket.socket) -> bytes:
    """All data until the connection ends, in order or by a reset."""
    data = b""
    with suppress(ConnectionError):
        while part := raw.recv(65_536):
            data += part
    return data


class RawClient:
    """One connection after its handshake. `status` is the HTTP status of the server's response."""

    def __init__(
        self,
        port: int,
        path: str = "/",
        *headers: str,
        receive_buffer: int = 0,
        tls: ssl.SSLContext | None = None,
        early: bytes = b"",
    ) -> None:
        """`early` follows the handshake in the same segment."""
        self.was_reset = False
        self.pieces: list[bytes] = []  # of a message that is not complete
        self.max_pieces = 0  # the highest number of pieces of one message
        self._opcode = TEXT
        self.socket = socket.socket()
        if receive_buffer:  # before `connect`, which announces the window
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        if tls:
            self.socket = tls.wrap_socket(self.socket)
        self._stream = self.socket.makefile("rb")
        self.socket.sendall(handshake(port, path, *headers) + early)
        self.head = b"".join(iter(self._stream.readline, b"\r\n") if self._peek() else []).decode()
        self.status = int(self.head.split()[1]) if self.head else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """Cuts the connection without a closing handshake."""
        self._stream.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self) -> Frame | None:
        """The next message or control frame, or None if the connection has ended. Joins the pieces of a message. An
        incomplete message at the end of the connection is lost."""
        while received := self._frame():
            is_last, each = received
            if each.opcode >= CLOSE:
                return each
            self._opcode = each.opcode or self._opcode
            self.pieces.append(each.payload)
            self.max_pieces = max(self.max_pieces, len(self.pieces))
            if is_last:
                message = Frame(self._opcode, b"".join(self.pieces))
                self.pieces.clear()
                return message
        return None

    def _frame(self) -> tuple[bool, Frame] | None:
        try:
            head = self._stream.read(2)
            if len(head) < 2:
                return None
            length = head[1] & 0x7F
            if length == 126:
                (length,) = struct.unpack("!H", self._stream.read(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", self._stream.read(8))
            payload = self._stream.read(length)
        except ConnectionError:
            self.was_reset = True
            return None
        return (bool(head[0] & 0x80), Frame(head[0] & 0x0F, payload)) if len(payload) == length else None

    def rest(self, *, answers: bool = True) -> list[Frame]:
        """All frames up to the end of the connection. With `answers`, a close frame is answered."""
        frames = []
        while received := self.receive():
            frames.append(received)
            if received.opcode == CLOSE and answers:
                try:
                    self.send(frame(received.payload[:2], CLOSE))
                except ConnectionError:
                    break
        return frames

    def close_code(self) -> int | None:
        """The server's close code, or None if it cut the connection without one."""
        frames = self.rest()
        return frames[-1].close_code if frames else None

    def _peek(self) -> bytes:
        try:
            return self._stream.peek(1)
        except ConnectionError:
            return b""
