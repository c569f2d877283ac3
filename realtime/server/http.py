"""The server's HTTP connections: caps, deadlines for each part of a request, and responses that wait for slow readers.
No log contains a query string."""

# ruff: noqa: N802, N815 - Twisted names its hooks
# mypy: disable-error-code="no-untyped-call"

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from daphne.http_protocol import HTTPFactory
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request

from realtime import asgi_extension
from realtime.conf import limits
from realtime.metrics import count
from realtime.server.flow_control import FlowControl
from realtime.server.garbage import GarbageByBytes
from realtime.server.request import LiveRequest
from realtime.server.slow_reader import SlowReaderPolicy
from realtime.server.write_buffer import bytes_buffered
from realtime.throttling import ServerCaps

logger = logging.getLogger("realtime.server")

RETRY_AFTER = 5  # seconds, for a client that a cap refused
_CROWDED = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: %d\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class LiveChannel(HTTPChannel):
    """One connection, up to its upgrade. Twisted only closes a connection that is silent for a minute, so a client that
    sends a byte now and then would keep its connection for ever. Here the head of each request has
    FIRST_REQUEST_DEADLINE, and its body a time that grows with what has come."""

    requestFactory = LiveRequest  # type: ignore[assignment]
    _is_malformed = False  # what the client sends is no HTTP: it has got 400
    _timer: asyncio.TimerHandle | None = None  # of the head or the body that is awaited
    _body_started = 0.0  # time of the event loop
    _release: Callable[[], None] | None = None  # gives the connection's place back
    _socket: Any = None  # the WebSocket that the connection has just become
    _bytes_written = 0  # of responses, without their heads
    _flow: FlowControl | None = None  # made for the first response that waits

    def connectionMade(self) -> None:
        super().connectionMade()
        self.factory.channels.add(self)
        self._release = self.factory.admit(self.getPeer())
        if self._release is None:
            self.write(_CROWDED % RETRY_AFTER)
            self.loseConnection()
            return
        self._start_head()

    def dataReceived(self, data: bytes) -> None:
        if self._timer is None and not self.requests:
            self._start_head()  # of the next request on a keep-alive connection
        super().dataReceived(data)
        if self._socket is None:
            self.factory.garbage.add(len(data))
        self._socket = None

    def lineLengthExceeded(self, line: bytes) -> None:
        self._respondToBadRequestAndDisconnect()  # Twisted would close without an answer

    def headerReceived(self, line: bytes) -> bool:
        try:
            return bool(super().headerReceived(line))
        except ValueError:  # a Content-Length of more digits than Python converts
            self._respondToBadRequestAndDisconnect()
            return False

    def _respondToBadRequestAndDisconnect(self) -> None:
        if not self._is_malformed:  # more may follow before the connection is closed
            self._is_malformed = True
            count("requests_refused")
            super()._respondToBadRequestAndDisconnect()

    def allHeadersReceived(self) -> None:
        self._cancel_timer()
        super().allHeadersReceived()
        if self.length != 0:
            self._body_started = asyncio.get_running_loop().time()
            self._await_body()

    def rawDataReceived(self, data: bytes) -> None:
        if self._socket is not None:
            self._socket.dataReceived(data)  # frames that came together with the handshake
        elif not (self.requests and self.requests[-1].is_body_refused):
            super().rawDataReceived(data)

    def allContentReceived(self) -> None:
        self._cancel_timer()
        super().allContentReceived()
        transport: Any = self.transport
        protocol = transport.wrappedProtocol if hasattr(transport, "wrappedProtocol") else transport.protocol
        if protocol is not self:  # the connection is a WebSocket now
            self._socket = protocol
            self._leave()
            self.requests.clear()  # a request refers to its channel

    def checkPersistence(self, request: Request, version: bytes) -> bool:
        if asgi_extension.is_shutting_down:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            return False
        return bool(super().checkPersistence(request, version))

    def requestDone(self, request: Request) -> None:
        super().requestDone(request)
        _forget_body(request)
        if asgi_extension.is_shutting_down:
            self.loseConnection()

    def loseConnection(self) -> None:
        if bytes_buffered(self.transport):
            self.flow.start_closing()  # Twisted alone would wait for ever for a client that does not read the rest
        super().loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._cancel_timer()
        self._leave()
        super().connectionLost(reason)
        # A channel and its request refer to each other, so they wait for the garbage collector. Their data does not.
        self._transferDecoder, self._dataBuffer = None, []
        self.clearLineBuffer()
        for request in self.requests:
            _forget_body(request)

    def _leave(self) -> None:
        self.factory.channels.discard(self)
        if self._release is not None:
            self._release()
            self._release = None
        if self._flow is not None:
            self._flow.connection_lost()

    # Deadlines

    def _start_head(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(limits.FIRST_REQUEST_DEADLINE, self._on_late_head)

    def _on_late_head(self) -> None:
        count("first_request_timeouts")
        logger.info("Client %s sent no request in %g s: dropped", self.getPeer(), limits.FIRST_REQUEST_DEADLINE)
        transport: Any = self.transport
        transport.abortConnection()

    def _await_body(self) -> None:
        loop, request = asyncio.get_running_loop(), self.requests[-1]
        due = request.body_due(self._body_started)
        if due > loop.time():
            self._timer = loop.call_at(due, self._await_body)
        elif not request.is_body_refused:
            count("body_timeouts")
            logger.info("Client %s sent the body of a request too slowly: refused", self.getPeer())
            request.refuse_body(b"408 Request Timeout", b"The body of the request came too slowly.\n")

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # Responses

    async def drain(self) -> None:
        """Waits while the client does not read."""
        if self._flow is not None:
            await self._flow.drain()

    @property
    def flow(self) -> FlowControl:
        if self._flow is None:
            self._flow = FlowControl(
                SlowReaderPolicy(limits.STALL_TIMEOUT, limits.MIN_READ_RATE, limits.SLOW_WINDOW),
                count_taken=lambda: self._bytes_written - bytes_buffered(self.transport),
                on_slow_reader=self._on_slow_reader,
            )
        return self._flow

    def write(self, data: bytes) -> None:
        self._count_written(len(data))
        super().write(data)

    def writeSequence(self, pieces: Any) -> None:
        self._count_written(sum(map(len, pieces)))
        super().writeSequence(pieces)

    def _count_written(self, length: int) -> None:
        self._bytes_written += length
        self.factory.garbage.add(length)

    def pauseProducing(self) -> None:
        super().pauseProducing()
        self.flow.pause_writing()

    def resumeProducing(self) -> None:
        super().resumeProducing()
        if self._flow is not None:
            self._flow.resume_writing()

    def _on_slow_reader(self, fault: str) -> None:
        count("slow_http_readers")
        logger.info("Client %s %s: dropped", self.getPeer(), fault)
        transport: Any = self.transport
        transport.abortConnection()


def _forget_body(request: Any) -> None:
    """A body that the application has not read, as that of a refused request, need not wait for the garbage collector.
    An application that still runs has the queue itself."""
    request.application_queue = None


class LiveHTTPFactory(HTTPFactory):
    """Makes the protocol of each new connection: HTTP/1.1, as WebSockets need it."""

    protocol = LiveChannel  # type: ignore[assignment]

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.timeOut = limits.KEEP_ALIVE_TIMEOUT
        self.channels: set[LiveChannel] = set()  # the open connections that speak HTTP
        self.garbage = GarbageByBytes()
        self._caps = ServerCaps()

    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = LiveRequest
        return protocol

    def admit(self, peer: Any) -> Callable[[], None] | None:
        """Counts a connection. Returns what gives its place back, or None if a cap is reached."""
        # With proxy headers the peer is the proxy, and the client is not known yet.
        address = None if self.server.proxy_forwarded_address_header else getattr(peer, "host", None)
        reached = self._caps.try_acquire(
            address, limit=limits.MAX_HTTP_CONNECTIONS, address_limit=limits.MAX_ADDRESS_HTTP_CONNECTIONS
        )
        if reached:
            count(f"refused_http_{reached}")
            return None
        return lambda: self._caps.release(address)

    def acceptableProtocols(self) -> list[bytes]:
        return [b"http/1.1"]

    def log(self, request: Request) -> None:
        """Writes nothing: Twisted's access log has the query string and the Referer, and Daphne writes its own log."""
