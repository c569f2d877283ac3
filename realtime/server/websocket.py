"""One WebSocket of the server, with back-pressure: senders wait for the client, and the client for the application.

Twisted, autobahn and Daphne call the methods in mixedCase. tests/realtime/server/test_server_hooks.py lists them, and
what stops working if an upgrade renames one.
"""

# ruff: noqa: N802, N803, N806 - Twisted and autobahn name their hooks and arguments
# mypy: disable-error-code="no-untyped-call"

import logging
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from autobahn.websocket.types import ConnectionDeny
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from realtime.metrics import count, sent
from realtime.server.http import RETRY_AFTER
from realtime.server.inbound_queue import Message
from realtime.server.receiving import ReceivingProtocol
from realtime.wire.close_codes import CloseCode

logger = logging.getLogger("realtime.server")


class LiveProtocol(ReceivingProtocol):
    """One WebSocket, from the upgrade of its HTTP request to the end of the connection."""

    on_end: Callable[[], None] | None = None  # called when the connection is lost
    last_frames: dict[int, str]  # by close code; the application fills it, see asgi_extension.py

    def connectionMade(self) -> None:
        super().connectionMade()
        self.last_frames = {}

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.on_end:
            self.on_end()
        super().connectionLost(reason)

    # The handshake

    def refuse_handshake(self, reason: str, status: int = 503) -> None:
        """Answers the handshake with this status, if it has no answer yet. The reason is the body."""
        if hasattr(self, "handshake_deferred"):
            self.handshake_deferred.errback(ConnectionDeny(code=status, reason=reason))
            del self.handshake_deferred
            self.server.protocol_disconnected(self)

    def handle_reply(self, message: Message) -> None:
        # Daphne drops the code and the reason of an application that refuses.
        if message.get("type") == "websocket.close" and self.state == self.STATE_CONNECTING and message.get("reason"):
            self.refuse_handshake(f"{message.get('code', 1000)} {message['reason']}", 403)
        else:
            super().handle_reply(message)

    def failHandshake(self, reason: str, code: int = 400, responseHeaders: Any = None) -> None:
        reason = re.sub(r"\?[^\s\"']*", "", reason)  # the reason is logged
        if code == 503:
            responseHeaders = [*(responseHeaders or ()), ("Retry-After", str(RETRY_AFTER))]
        super().failHandshake(reason, code, responseHeaders)

    def sendHttpErrorResponse(self, code: int, reason: str, responseHeaders: Any = None) -> None:
        # autobahn writes the reason, with words of the client, into the status line.
        body = f"{reason}\n".encode()
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", len(body)),
            ("Connection", "close"),
            *(responseHeaders or ()),
        ]
        head = [f"HTTP/1.1 {code} {HTTPStatus(code).phrase}", *(f"{name}: {value}" for name, value in headers)]
        self.sendData("\r\n".join([*head, "", ""]).encode() + body)

    def serverAccept(self, subprotocol: str | None = None) -> None:
        # autobahn would raise in a Deferred without an error handler, and leave the handshake without an answer.
        if subprotocol is not None and subprotocol not in self.websocket_protocols:
            raise ValueError(f"The client did not offer the subprotocol {subprotocol!r}, so it cannot be accepted.")
        super().serverAccept(subprotocol)

    # Failures

    def _protocol_violation(self, reason: str) -> bool:
        super()._protocol_violation(reason)
        return True  # stops the parser; autobahn would take a close frame with a bad code for an answer to ours

    def _invalid_payload(self, reason: str) -> bool:
        super()._invalid_payload(reason)
        return True

    # Closing

    def close_with_last_frame(self, code: int) -> None:
        """Closes an open connection, after the last frame that its application has registered for this code."""
        if self.state == self.STATE_OPEN:
            self._send_last_frame(code)
            self.sendCloseFrame(code)

    def _send_last_frame(self, code: int) -> None:
        frame = self.last_frames.get(code)
        if frame is not None and not self._is_within_message:
            sent.add(frame)
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
