"""HTTP of the server: a deadline for the head of each request, and no query string in a log."""

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
    """One connection, up to its upgrade. Twisted ends one that is silent for a minute; a byte now and then keeps it
    for ever. Here the head of a request has FIRST_REQUEST_DEADLINE."""

    requestFactory = LiveRequest
    _deadline: asyncio.TimerHandle | None = None

    def connectionMade(self) -> None:
        super().connectionMade()
        self.factory.channels.add(self)
        self._begin_head()

    def dataReceived(self, data: bytes) -> None:
        if self._deadline is None and not self.requests:
            self._begin_head()  # of the next request, on a connection that was kept
        super().dataReceived(data)

    def allHeadersReceived(self) -> None:
        self._end_head()
        super().allHeadersReceived()

    def allContentReceived(self) -> None:
        super().allContentReceived()
        transport: Any = self.transport
        if getattr(transport, "wrappedProtocol", None) is not self and transport.protocol is not self:
            self.factory.channels.discard(self)  # a WebSocket has taken over

    def checkPersistence(self, request: Request, version: bytes) -> bool:
        if asgi_extension.is_draining:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            return False
        return bool(super().checkPersistence(request, version))

    def requestDone(self, request: Request) -> None:
        super().requestDone(request)
        if asgi_extension.is_draining:
            self.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._end_head()
        self.factory.channels.discard(self)
        super().connectionLost(reason)

    def _begin_head(self) -> None:
        self._deadline = asyncio.get_running_loop().call_later(limits.FIRST_REQUEST_DEADLINE, self._too_late)

    def _end_head(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        count("first_request_timeouts")
        logger.info("Client %s sent no request in %g s: dropped", self.getPeer(), limits.FIRST_REQUEST_DEADLINE)
        transport: Any = self.transport
        transport.abortConnection()


class LiveHTTPFactory(HTTPFactory):
    """Makes the protocol of each new connection: HTTP/1.1, as WebSockets need it."""

    protocol = LiveChannel  # type: ignore[assignment]

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.channels: set[LiveChannel] = set()  # that speak HTTP

    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = LiveRequest
        return protocol

    def acceptableProtocols(self) -> list[bytes]:
        return [b"http/1.1"]

    def log(self, request: Request) -> None:
        """Twisted's own access log, query string and Referer included: Daphne has one, so none is written here."""
