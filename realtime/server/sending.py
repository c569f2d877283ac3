"""The sending side of one WebSocket: the order of frames, the fast path, and large messages in pieces.

Twisted, autobahn and Daphne call the methods in mixedCase. tests/realtime/server/test_server_hooks.py lists them.
"""

# ruff: noqa: N802 - Twisted and autobahn name their hooks
# mypy: disable-error-code="no-untyped-call"

import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from twisted.internet.protocol import connectionDone
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure

from realtime.conf import limits
from realtime.server.direct_writer import DirectWriter
from realtime.server.flow_control import FlowControl
from realtime.server.inbound_queue import Message
from realtime.server.keepalive import KeepaliveProtocol
from realtime.server.slow_reader import SlowReaderPolicy
from realtime.server.write_buffer import bytes_buffered, tcp_of

TEXT, BINARY, CONTINUATION = 1, 2, 0  # opcodes


class SendingProtocol(KeepaliveProtocol):
    """A WebSocket whose senders wait for a slow client."""

    flow: FlowControl
    direct_writer: DirectWriter
    transport: Any
    _is_within_message = False  # a message is half sent; only control frames may follow

    def connectionMade(self) -> None:
        super().connectionMade()
        self.direct_writer = DirectWriter(
            self._tcp.getHandle(),
            self.factory.server_class.get_frame,
            max_piece_bytes=limits.SEND_PIECE_BYTES,
            send_slow_path=self._send_without_waiting,
            write_rest=self.transport.write,
        )
        policy = SlowReaderPolicy(limits.STALL_TIMEOUT, limits.MIN_READ_RATE, limits.SLOW_WINDOW)
        self.flow = FlowControl(
            policy,
            count_taken=lambda: self.bytes_written - self.bytes_buffered,
            on_slow_reader=self._on_slow_reader,
        )
        self.transport.unregisterProducer()  # the HTTP channel, which is not used after the upgrade
        self.transport.registerProducer(self.flow, True)
        with suppress(AttributeError, OSError):  # not TCP, or not Linux
            # Otherwise the operating system takes megabytes for a slow client at once, and then nothing for minutes,
            # so that a client that reads seems to be stalled.
            option = (socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, limits.SEND_PIECE_BYTES)
            self._tcp.getHandle().setsockopt(*option)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.direct_writer.close()
        self.flow.connection_lost()
        super().connectionLost(reason)

    def _on_slow_reader(self, fault: str) -> None:
        """The client is too slow, as `fault` says. The connection has to be closed."""
        raise NotImplementedError

    @property
    def is_pong_delayed(self) -> bool:
        return self.is_reading_paused or self.flow.is_behind

    @property
    def bytes_written(self) -> int:
        """All bytes that were sent."""
        return self.direct_writer.bytes_written

    @bytes_written.setter
    def bytes_written(self, total: int) -> None:
        self.direct_writer.bytes_written = total

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        self.direct_writer.is_clear = False
        super().sendData(data, sync, chopsize)

    def send_control_frame(self, frame: bytes) -> None:
        if self._is_direct:
            self.direct_writer.write(frame)
        else:
            self.sendData(frame)

    def _send_without_waiting(self, text: str | None) -> bool:
        """Sends a text that fits into one piece, if it need not wait. Returns whether it was sent."""
        if not text or len(text) > limits.SEND_PIECE_BYTES // 4 or not self.flow.can_write_now:
            return False
        if self.state == self.STATE_CONNECTING:
            return False  # an error of the application; Daphne raises it
        self.serverSend(text)
        self.direct_writer.is_clear = self.state == self.STATE_OPEN and self._is_direct
        return True

    async def send_in_pieces(self, message: Message) -> bool:
        """Sends a message that is too large for one piece. Returns False, and sends nothing, for a smaller one. The
        caller is inside `async with self.flow`."""
        content = message.get("bytes") or message.get("text") or ""
        step = limits.SEND_PIECE_BYTES
        if isinstance(content, str) and not content.isascii():
            step //= 4  # characters
        if len(content) <= step or self.state != self.STATE_OPEN:
            return False
        opcode = BINARY if isinstance(content, bytes) else TEXT
        self._is_within_message = True
        for piece, is_last in _split(content, step):
            await self.flow.drain()
            if self.state != self.STATE_OPEN:
                break  # the connection closes; the application gets websocket.disconnect
            self.sendFrame(opcode=opcode, payload=piece, fin=is_last)
            opcode = CONTINUATION
        else:
            self._is_within_message = False
        return True

    def serverSend(self, content: str | bytes, binary: bool = False) -> None:
        if self.state != self.STATE_OPEN:
            return  # the connection closes; the application gets websocket.disconnect
        frame = self.server.get_frame(content)
        if self._is_direct:
            # The transport would wait until the reactor finds the socket writable, which doubles the cost.
            self.direct_writer.write(frame)
        else:
            self.bytes_written += len(frame)
            self.transport.write(frame)

    @property
    def _is_direct(self) -> bool:
        """Whether bytes may go directly to the operating system: no TLS, and nothing is buffered before them."""
        return isinstance(self.transport, Connection) and not self.bytes_buffered

    @property
    def bytes_buffered(self) -> int:
        """Bytes in the transport that the operating system has not yet taken."""
        return bytes_buffered(self.transport)

    @property
    def _tcp(self) -> Any:
        return tcp_of(self.transport)


def _split(content: str | bytes, step: int) -> Iterator[tuple[bytes, bool]]:
    """Pairs of a piece and whether it is the last one. A text is encoded piece by piece, so that a socket holds only
    one encoded piece in memory."""
    for start in range(0, len(content), step):
        piece = content[start : start + step]
        yield piece if isinstance(piece, bytes) else piece.encode(), start + step >= len(content)
