"""A connection of our server without a network: the real protocol classes, on a transport that keeps what is written.

The application is of the harness. It accepts every socket, answers every request, and keeps what it receives.
"""

# ruff: noqa: N802, N815 - Twisted names its hooks

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import daphne.server
from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure

from realtime import asgi_extension
from realtime.server.server import LiveServer
from tests.fuzz.oracles import no_logged_errors

TURNS = 40  # of the event loop, in which an application has answered
BODY = b"answered"


class Transport(StringTransport):
    """A connection whose client reads everything at once."""

    dataBuffer, offset, _tempDataLen = b"", 0, 0  # as in Twisted's own: nothing is buffered
    protocol: Any = None

    def __init__(self) -> None:
        client, host = (IPv4Address("TCP", "127.0.0.1", port) for port in (40_000, 8_000))
        super().__init__(hostAddress=host, peerAddress=client)
        self.is_aborted = False

    def getHandle(self) -> Any:
        return self

    def send(self, data: bytes) -> int:
        self.write(data)
        return len(data)

    def setsockopt(self, *option: Any) -> None:
        pass

    def setTcpNoDelay(self, is_on: bool) -> None:
        pass

    def abortConnection(self) -> None:
        self.is_aborted = self.disconnecting = True

    def loseWriteConnection(self) -> None:
        pass

    @property
    def is_paused(self) -> bool:
        return self.producerState == "paused"


class Seen:
    """What the application has received on one connection."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, bytes, bytes]] = []  # method, target, body
        self.messages: list[str | bytes] = []
        self.sockets = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            self.sockets += 1
            while (message := await receive())["type"] == "websocket.receive":
                text = message.get("text")
                self.messages.append(text if text is not None else message["bytes"])
            return
        body, has_more = b"", True
        while has_more:
            message = await receive()
            if message["type"] != "http.request":
                return
            body, has_more = body + message["body"], message["more_body"]
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        self.requests.append((scope["method"], target, body))
        length = (b"content-length", b"%d" % len(BODY))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": BODY})


@cache
def _server() -> Any:
    """A server that listens nowhere."""
    server: Any = LiveServer(application=None, endpoints=["tcp:port=0"], signal_handlers=False)
    server._addresses, server.connections = [], {}
    ws_factory = daphne.server.WebSocketFactory(server, server=server.server_name)
    ws_factory.setProtocolOptions(
        maxMessagePayloadSize=server.websocket_max_message_size,
        maxFramePayloadSize=server.websocket_max_frame_size,
        openHandshakeTimeout=server.websocket_handshake_timeout,
        autoPingTimeout=server.ping_timeout,
    )
    server.ws_factory = ws_factory
    before = asgi_extension.count_sockets
    server._listen()
    asgi_extension.count_sockets = before
    return server


async def _serve(pieces: list[bytes]) -> tuple[Seen, Transport]:
    server, seen = _server(), Seen()
    server.application = seen
    transport = Transport()
    transport.protocol = server.http_factory.buildProtocol(transport.getPeer())
    transport.protocol.makeConnection(transport)
    for piece in pieces:
        for _ in range(TURNS):
            await asyncio.sleep(0)
            if not transport.is_paused:
                break
        if transport.disconnecting:
            break
        transport.protocol.dataReceived(piece)
    for _ in range(TURNS):
        await asyncio.sleep(0)
    transport.protocol.connectionLost(Failure(ConnectionDone()))
    for _ in range(TURNS):
        await asyncio.sleep(0)
    for each in list(server.connections.values()):
        if application := each.get("application_instance"):
            application.cancel()
    await asyncio.sleep(0)
    server.connections.clear()
    for timer in reactor.getDelayedCalls():  # type: ignore[attr-defined]
        timer.cancel()
    return seen, transport


def exchange(pieces: list[bytes]) -> tuple[Seen, Transport]:
    """Sends these pieces on a new connection, and ends it. Fails for any error that is logged or left in a Deferred."""
    loop = reactor._asyncioEventloop  # type: ignore[attr-defined]
    with no_logged_errors(), _no_failures(loop):
        return _run(loop, _serve(pieces))


def _run(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, tuple[Seen, Transport]]) -> tuple[Seen, Transport]:
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(work)
    finally:
        asyncio.set_event_loop(None)


@contextmanager
def _no_failures(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    found: list[str] = []

    def on_event(event: Any) -> None:
        if "log_failure" in event:
            found.append(event["log_failure"].getTraceback())

    globalLogPublisher.addObserver(on_event)
    loop.set_exception_handler(lambda _, context: found.append(str(context)))
    try:
        yield
    finally:
        globalLogPublisher.removeObserver(on_event)
        loop.set_exception_handler(None)
    assert not found, "\n".join(found)


def in_pieces(data: bytes, sizes: list[int]) -> list[bytes]:
    """The data in pieces of these sizes, again and again."""
    pieces, start, number = [], 0, 0
    while start < len(data):
        size = sizes[number % len(sizes)] if sizes else len(data)
        pieces.append(data[start : start + size])
        start, number = start + size, number + 1
    return pieces
