"""One WebSocket of the server, with back-pressure: senders wait for the client, and the client for the application.

Twisted, autobahn and Daphne call the methods in mixedCase. tests/realtime/server/test_server_hooks.py lists them, and
what stops working if an upgrade renames one.
"""

# ruff: noqa: N802, N803, N806 - Twisted and autobahn name their hooks and arguments
# mypy: disable-error-code="no-untyped-call"

import asyncio
import logging
import re
from collections.abc import Callable, Iterable
from typing import Any

from autobahn.websocket.types import ConnectionDeny
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from realtime.conf import limits
from realtime.metrics import count
from realtime.server.inbound_queue import InboundQueue
from realtime.server.sending import SendingProtocol
from realtime.throttling import TokenBucket
from realtime.wire.close_codes import POLICY_VIOLATION, CloseCode

logger = logging.getLogger("realtime.server")

RETRY_AFTER = "5"  # seconds, for a client that a cap refused


class LiveProtocol(SendingProtocol):
    """One WebSocket, from the upgrade of its HTTP request to the end of the connection."""

    on_end: Callable[[], None] | None = None  # called when the connection is lost
    last_frames: dict[int, str]  # by close code; the application fills it, see asgi_extension.py
    _bucket: TokenBucket | None = None  # None: no limit on messages

    def connectionMade(self) -> None:
        super().connectionMade()
        self.last_frames = {}
        if limits.MESSAGE_BURST:
            self._bucket = TokenBucket(limits.MESSAGE_RATE, limits.MESSAGE_BURST, _now())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.on_end:
            self.on_end()
        super().connectionLost(reason)

    def make_inbound_queue(self) -> InboundQueue:
        """A new queue for the application's `receive`."""
        return InboundQueue(
            max_messages=limits.INBOUND_MESSAGES,
            max_bytes=limits.INBOUND_BYTES,
            pause_reading=self._pause_reading,
            resume_reading=self._resume_reading,
        )

    # The handshake

    def refuse_handshake(self, reason: str) -> None:
        """Answers the handshake with 503, if the application has not answered it yet."""
        if hasattr(self, "handshake_deferred"):
            self.handshake_deferred.errback(ConnectionDeny(code=503, reason=reason))
            del self.handshake_deferred
            self.server.protocol_disconnected(self)

    def failHandshake(self, reason: str, code: int = 400, responseHeaders: Any = None) -> None:
        reason = re.sub(r"\?[^\s\"']*", "", reason)  # the reason is logged
        if code == 503:
            responseHeaders = [*(responseHeaders or ()), ("Retry-After", RETRY_AFTER)]
        super().failHandshake(reason, code, responseHeaders)

    def serverAccept(self, subprotocol: str | None = None) -> None:
        # autobahn would raise in a Deferred without an error handler, and leave the handshake without an answer.
        if subprotocol is not None and subprotocol not in self.websocket_protocols:
            raise ValueError(f"The client did not offer the subprotocol {subprotocol!r}, so it cannot be accepted.")
        super().serverAccept(subprotocol)

    # Receiving

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if self.state != self.STATE_OPEN:
            return  # after our close frame only the client's close frame counts
        if self._bucket is not None and not self._bucket.take(_now()):
            count("floods")
            logger.warning("Client %s sends too many messages: closed", self._client)
            self._send_last_frame(POLICY_VIOLATION)
            self._fail_connection(POLICY_VIOLATION, "too many messages")
            return
        super().onMessage(payload, isBinary)

    def _pause_reading(self) -> None:
        self.is_reading_paused = True
        self.transport.pauseProducing()
        self.restart_pong_timeout()

    def _resume_reading(self) -> None:
        if self.is_reading_paused:
            self.is_reading_paused = False
            asyncio.get_running_loop().call_soon(self._continue_reading)  # not within the application's receive()

    def _continue_reading(self) -> None:
        if not self.is_reading_paused and self.state != self.STATE_CLOSED:
            self.consumeData()  # the data that autobahn has already read
        if not self.is_reading_paused and self.state != self.STATE_CLOSED:
            self.transport.resumeProducing()

    # RFC 6455, 7.1.7: after a failure no data is processed, not even the rest of the same frame. The data is still read
    # and dropped. If it stayed unread, our close would become a TCP reset, which can overtake the close code.

    def _protocol_violation(self, reason: str) -> bool:
        super()._protocol_violation(reason)
        return True  # stops the parser; autobahn would take a close frame with a bad code for an answer to ours

    def _invalid_payload(self, reason: str) -> bool:
        super()._invalid_payload(reason)
        return True

    def processData(self) -> bool:
        if self.failedByMe:
            self.data = b""
            return False
        return not self.is_reading_paused and bool(super().processData())

    # Closing

    def close_with_last_frame(self, code: int) -> None:
        """Closes an open connection, after the last frame that its application has registered for this code."""
        if self.state == self.STATE_OPEN:
            self._send_last_frame(code)
            self.sendCloseFrame(code)

    def _send_last_frame(self, code: int) -> None:
        frame = self.last_frames.get(code)
        if frame is not None and not self._is_within_message:
            self.serverSend(frame)

    def sendCloseFrame(self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False) -> None:
        super().sendCloseFrame(code, reasonUtf8, isReply)
        self.flow.start_closing()  # Twisted alone would wait for ever for a client that does not read the rest
        self._resume_reading()  # the client's close frame comes after its unread data
        # After a failure no answer is processed, so the writing half of the connection is closed at once. Not over TLS:
        # Twisted has no half-closed TLS connection and would cut it before the close frame is sent. CLOSE_TIMEOUT ends
        # the connection there.
        details = self.transport_details
        if self.failedByMe and not (details and details.is_secure):
            self.unregisterProducer()
            self.transport.loseWriteConnection()

    def _on_slow_reader(self, fault: str) -> None:
        """The client may still read the buffered data and the close code, within the time for a closing handshake."""
        if self.state == self.STATE_OPEN:
            count("slow_readers")
            logger.warning("Client %s %s: closed", self._client, fault)
            self.close_with_last_frame(int(CloseCode.TOO_SLOW))
        else:
            self.transport.abortConnection()

    @property
    def _client(self) -> Any:
        return getattr(self, "client_addr", None) or self.peer


def make_protocol_class(factory: Any) -> type[LiveProtocol]:
    """A protocol class with the factory's options as class attributes. autobahn copies each option to each connection
    and formats all of them for a debug message, which is a sixth of the event loop's time for a connection."""
    options = {name: getattr(factory, name) for name in LiveProtocol.CONFIG_ATTRS}
    functions = {name: staticmethod(each) for name, each in options.items() if callable(each)}
    return type(LiveProtocol.__name__, (LiveProtocol,), {**options, **functions, "CONFIG_ATTRS": ()})


def count_sockets(protocols: Iterable[Any]) -> dict[str, int]:
    """Counts of the open sockets: all, those that are `behind` (data waits for the client), the bytes in their buffers,
    and those that are `paused` (the client waits for the application). Any thread may call it."""
    sockets = [each for each in protocols if isinstance(each, LiveProtocol) and each.state == each.STATE_OPEN]
    return {
        "sockets": len(sockets),
        "behind": sum(each.flow.is_behind for each in sockets),
        "buffered_bytes": sum(each.bytes_buffered for each in sockets),
        "paused": sum(each.is_reading_paused for each in sockets),
    }


def _now() -> float:
    return asyncio.get_running_loop().time()
