"""One WebSocket of the server: what is sent waits for the client, what is received for the application.

Twisted, autobahn and Daphne call the methods in mixedCase; tests/realtime/server/test_server_hooks.py names what is
lost when an upgrade moves one of them.
"""

# ruff: noqa: N802, N803, N806 - Twisted and autobahn name their hooks and arguments
# mypy: disable-error-code="no-untyped-call"

import asyncio
import logging
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from autobahn.websocket.types import ConnectionDeny
from twisted.internet.protocol import connectionDone
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure

from realtime.conf import limits
from realtime.metrics import count
from realtime.server.direct_writer import DirectWriter
from realtime.server.flow_control import FlowControl
from realtime.server.inbound_queue import InboundQueue, Message
from realtime.server.keepalive import PatientProtocol
from realtime.server.slow_reader import SlowReaderPolicy
from realtime.throttling import TokenBucket
from realtime.wire.close_codes import POLICY_VIOLATION, CloseCode

logger = logging.getLogger("realtime.server")

RETRY_AFTER = "5"  # seconds, of a client that was refused because of a cap
TEXT, BINARY, CONTINUATION = 1, 2, 0


class LiveProtocol(PatientProtocol):
    """One WebSocket, from the upgrade of its HTTP request to the end of the connection."""

    gate: FlowControl
    transport: Any
    is_paused = False  # what the client sends is left in the network
    on_end: Callable[[], None] | None = None  # the server counts it no longer
    last_frames: dict[int, str]  # the application's, see asgi_extension.py
    _bucket: TokenBucket | None = None
    _is_within_message = False  # only control frames may go between the pieces of a message

    def connectionMade(self) -> None:
        super().connectionMade()
        self.last_frames = {}
        if limits.MESSAGE_BURST:
            self._bucket = TokenBucket(limits.MESSAGE_RATE, limits.MESSAGE_BURST, _now())
        self.direct_writer = DirectWriter(
            self._tcp.getHandle(),
            self.factory.server_class.frame_of,
            piece=limits.SEND_PIECE_BYTES,
            send_otherwise=self._send_at_once,
            write_rest=self.transport.write,
        )
        pace = SlowReaderPolicy(limits.STALL_TIMEOUT, limits.MIN_READ_RATE, limits.SLOW_WINDOW)
        self.gate = FlowControl(pace, taken=lambda: self.written - self.buffered, give_up=self._give_up)
        self.transport.unregisterProducer()  # the HTTP channel, whose part ended with the upgrade
        self.transport.registerProducer(self.gate, True)
        with suppress(AttributeError, OSError):  # no TCP, or no Linux
            # Else the system takes megabytes for a slow client, and then nothing for minutes, though it reads.
            option = (socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, limits.SEND_PIECE_BYTES)
            self._tcp.getHandle().setsockopt(*option)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.direct_writer.is_clear = False
        self.gate.stopProducing()
        if self.on_end:
            self.on_end()
        super().connectionLost(reason)

    def inbound_queue(self) -> InboundQueue:
        """For the application's `receive`."""
        return InboundQueue(
            max_messages=limits.INBOUND_MESSAGES,
            max_bytes=limits.INBOUND_BYTES,
            pause=self._pause,
            resume=self._resume,
        )

    # The handshake

    def refuse(self, reason: str) -> None:
        """503 instead of the upgrade, where the application has not yet answered."""
        if hasattr(self, "handshake_deferred"):
            self.handshake_deferred.errback(ConnectionDeny(code=503, reason=reason))
            del self.handshake_deferred
            self.server.protocol_disconnected(self)

    def failHandshake(self, reason: str, code: int = 400, responseHeaders: Any = None) -> None:
        reason = re.sub(r"\?[^\s\"']*", "", reason)  # it is logged
        if code == 503:
            responseHeaders = [*(responseHeaders or ()), ("Retry-After", RETRY_AFTER)]
        super().failHandshake(reason, code, responseHeaders)

    def serverAccept(self, subprotocol: str | None = None) -> None:
        # autobahn would raise where nobody listens, and leave the connection neither open nor refused.
        if subprotocol is not None and subprotocol not in self.websocket_protocols:
            raise ValueError(f"The client did not offer the subprotocol {subprotocol!r}, so it cannot be accepted.")
        super().serverAccept(subprotocol)

    # Sending

    @property
    def written(self) -> int:
        """Bytes, all that was sent."""
        return self.direct_writer.written

    @written.setter
    def written(self, written: int) -> None:
        self.direct_writer.written = written

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        self.direct_writer.is_clear = False
        super().sendData(data, sync, chopsize)

    def send_control_frame(self, frame: bytes) -> None:
        if self._is_direct:
            self.direct_writer.write(frame)
        else:
            self.sendData(frame)

    def _send_at_once(self, text: str | None) -> bool:
        """Sends a text that fits a piece, if nobody waits. False where one of these is not so."""
        if not text or len(text) > limits.SEND_PIECE_BYTES // 4 or not self.gate.is_open:
            return False
        if self.state == self.STATE_CONNECTING:
            return False  # an error, of which Daphne tells the application
        self.serverSend(text)
        self.direct_writer.is_clear = self.state == self.STATE_OPEN and self._is_direct
        return True

    async def send_in_turn(self, message: Message) -> bool:
        """Sends what is too large for one piece, for whoever has its turn at the gate. False where it is not."""
        content = message.get("bytes") or message.get("text") or ""
        step = limits.SEND_PIECE_BYTES
        if isinstance(content, str) and not content.isascii():
            step //= 4  # characters
        if len(content) <= step or self.state != self.STATE_OPEN:
            return False
        opcode = BINARY if isinstance(content, bytes) else TEXT
        self._is_within_message = True
        for piece, is_last in _pieces(content, step):
            await self.gate.room()
            if self.state != self.STATE_OPEN:
                break  # the client has left, or is leaving: the application is being told
            self.sendFrame(opcode=opcode, payload=piece, fin=is_last)
            opcode = CONTINUATION
        else:
            self._is_within_message = False
        return True

    def serverSend(self, content: str | bytes, binary: bool = False) -> None:
        if self.state != self.STATE_OPEN:
            return  # as above
        frame = self.server.frame_of(content)
        if self._is_direct:
            # By way of the reactor, which waits until the socket can be written to, it costs as much again.
            self.direct_writer.write(frame)
        else:
            self.written += len(frame)
            self.transport.write(frame)

    @property
    def _is_direct(self) -> bool:
        """Whether what the system is given now comes after all that was sent, and as it is."""
        return isinstance(self.transport, Connection) and not self.buffered

    @property
    def buffered(self) -> int:
        """Bytes that the transport holds and the system has not yet taken."""
        return int(len(self._tcp.dataBuffer) - self._tcp.offset + self._tcp._tempDataLen)

    @property
    def _tcp(self) -> Any:
        return getattr(self.transport, "transport", self.transport)  # below TLS

    # Receiving

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if self.state != self.STATE_OPEN:
            return  # the answer to our close is awaited, and nothing else
        if self._bucket is not None and not self._bucket.take(_now()):
            count("floods")
            logger.warning("Client %s sends too many messages: closed", self._client)
            self._send_last_frame(POLICY_VIOLATION)
            self._fail_connection(POLICY_VIOLATION, "too many messages")
            return
        super().onMessage(payload, isBinary)

    def _pause(self) -> None:
        self.is_paused = True
        self.transport.pauseProducing()
        self.await_pong_anew()

    def _resume(self) -> None:
        if self.is_paused:
            self.is_paused = False
            asyncio.get_running_loop().call_soon(self._read_on)  # not from within the application's receive()

    def _read_on(self) -> None:
        if not self.is_paused and self.state != self.STATE_CLOSED:
            self.consumeData()  # first what autobahn has read already
        if not self.is_paused and self.state != self.STATE_CLOSED:
            self.transport.resumeProducing()

    # RFC 6455, 7.1.7: after a failure nothing more is processed, not even the rest of that frame. It is still read,
    # and thrown away, since unread data would turn our closing into a reset, which can overtake the close code.

    def _protocol_violation(self, reason: str) -> bool:
        super()._protocol_violation(reason)
        return True  # "stop here"; autobahn goes on, and takes a close frame with a bad code for an answer to ours

    def _invalid_payload(self, reason: str) -> bool:
        super()._invalid_payload(reason)
        return True

    def processData(self) -> bool:
        if self.failedByMe:
            self.data = b""
            return False
        return not self.is_paused and bool(super().processData())

    @property
    def is_pong_held_up(self) -> bool:
        return self.is_paused or self.gate.is_behind

    # Closing

    def leave(self, code: int) -> None:
        """Closes an open connection with what its application has left to be said for this code."""
        if self.state == self.STATE_OPEN:
            self._send_last_frame(code)
            self.sendCloseFrame(code)

    def _send_last_frame(self, code: int) -> None:
        frame = self.last_frames.get(code)
        if frame is not None and not self._is_within_message:
            self.serverSend(frame)

    def sendCloseFrame(self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False) -> None:
        super().sendCloseFrame(code, reasonUtf8, isReply)
        self.gate.finish()  # Twisted waits for the client to read the rest: for ever, if it does not
        self._resume()  # its answer is behind what was not read
        # No answer will be processed after a failure, so say at once that this was all. Not over TLS, where Twisted
        # knows no half of a connection and would end it before the close frame has left: CLOSE_TIMEOUT ends it there.
        details = self.transport_details
        if self.failedByMe and not (details and details.is_secure):
            self.unregisterProducer()
            self.transport.loseWriteConnection()

    def _give_up(self, verdict: str) -> None:
        """It may yet read what it has and the code, if it does so within the time for a closing handshake."""
        if self.state == self.STATE_OPEN:
            count("slow_readers")
            logger.warning("Client %s %s: closed", self._client, verdict)
            self.leave(int(CloseCode.TOO_SLOW))
        else:
            self.transport.abortConnection()

    @property
    def _client(self) -> Any:
        return getattr(self, "client_addr", None) or self.peer


def with_options_of(factory: Any) -> type[LiveProtocol]:
    """The protocol with the factory's options as attributes of the class. autobahn copies each of them onto each
    connection, and formats all of them for a debug message: a sixth of what a connection costs the event loop."""
    options = {name: getattr(factory, name) for name in LiveProtocol.CONFIG_ATTRS}
    functions = {name: staticmethod(each) for name, each in options.items() if callable(each)}
    return type(LiveProtocol.__name__, (LiveProtocol,), {**options, **functions, "CONFIG_ATTRS": ()})


def figures(protocols: Iterable[Any]) -> dict[str, int]:
    """Of the open sockets: how many wait for their clients, what is kept for these, and how many clients wait for the
    application. From any thread."""
    sockets = [each for each in protocols if isinstance(each, LiveProtocol) and each.state == each.STATE_OPEN]
    return {
        "sockets": len(sockets),
        "behind": sum(each.gate.is_behind for each in sockets),
        "buffered_bytes": sum(each.buffered for each in sockets),
        "paused": sum(each.is_paused for each in sockets),
    }


def _pieces(content: str | bytes, step: int) -> Iterator[tuple[bytes, bool]]:
    """With whether it is the last one. A text is encoded piece by piece, so that one piece is what a socket costs."""
    for start in range(0, len(content), step):
        piece = content[start : start + step]
        yield piece if isinstance(piece, bytes) else piece.encode(), start + step >= len(content)


def _now() -> float:
    return asyncio.get_running_loop().time()
