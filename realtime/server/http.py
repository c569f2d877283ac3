"""The server's HTTP: the head of each request has a deadline, and no log contains a query string."""

# ruff: noqa: N802, N815 - Twisted names its hooks
# mypy: disable-error-code="no-untyped-call"

import asyncio
import logging
from typing import Any

from daphne.http_protocol import HTTPFactory
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request

from realtime import asgi_extension
from realtime.conf import limits
from realtime.metrics import count
from realtime.server.request_body import BoundedRequest

logger = logging.getLogger("realtime.server")


class LiveRequest(BoundedRequest):
    """One HTTP request."""

    def __repr__(self) -> str:  # Daphne logs it for a request that takes too long to end
        method, path = self.method.decode("latin-1"), self.uri.partition(b"?")[0].decode("latin-1")
        return f"<{type(self).__name__} {method} {path} client={self.client_addr!r}>"


class LiveChannel(HTTPChannel):
    """One connection, up to its upgrade. The head of each request must be complete within FIRST_REQUEST_DEADLINE.
    Twisted only closes a connection that is silent for a minute, so a client that sends a byte now and then would keep
    its connection for ever."""

    requestFactory = LiveRequest
    _deadline: asyncio.TimerHandle | None = None  # None while no head is awaited

    def connectionMade(self) -> None:
        super().connectionMade()
        self.factory.channels.add(self)
        self._start_deadline()

    def dataReceived(self, data: bytes) -> None:
        if self._deadline is None and not self.requests:
            self._start_deadline()  # of the next request on a keep-alive connection
        super().dataReceived(data)

    def allHeadersReceived(self) -> None:
        self._cancel_deadline()
        super().allHeadersReceived()

    def allContentReceived(self) -> None:
        super().allContentReceived()
        transport: Any = self.transport
        if getattr(transport, "wrappedProtocol", None) is not self and transport.protocol is not self:
            self.factory.channels.discard(self)  # the connection is a WebSocket now
            self.requests.clear()  # a request refers to its channel

    def checkPersistence(self, request: Request, version: bytes) -> bool:
        if asgi_extension.is_shutting_down:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            return False
        return bool(super().checkPersistence(request, version))

    def requestDone(self, request: Request) -> None:
        super().requestDone(request)
        if asgi_extension.is_shutting_down:
            self.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._cancel_deadline()
        self.factory.channels.discard(self)
        super().connectionLost(reason)

    def _start_deadline(self) -> None:
        self._deadline = asyncio.get_running_loop().call_later(limits.FIRST_REQUEST_DEADLINE, self._on_deadline)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _on_deadline(self) -> None:
        count("first_request_timeouts")
        logger.info("Client %s sent no request in %g s: dropped", self.getPeer(), limits.FIRST_REQUEST_DEADLINE)
        transport: Any = self.transport
        transport.abortConnection()


class LiveHTTPFactory(HTTPFactory):
    """Makes the protocol of each new connection: HTTP/1.1, as WebSockets need it."""

    protocol = LiveChannel  # type: ignore[assignment]

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.channels: set[LiveChannel] = set()  # the open connections that speak HTTP

    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = LiveRequest
        return protocol

    def acceptableProtocols(self) -> list[bytes]:
        return [b"http/1.1"]

    def log(self, request: Request) -> None:
        """Writes nothing: Twisted's access log has the query string and the Referer, and Daphne writes its own log."""
