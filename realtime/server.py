"""The server: Daphne, with what sockets need that stay open for days. Options and command line are Daphne's own.

    python -m realtime.server config.asgi:application -b 0.0.0.0 -p 8000

What differs, and why:

- `await send()` waits while a client does not read (send_gate.py); a client that takes nothing for
  `REALTIME["SEND_DEADLINE"]` seconds is dropped. Daphne keeps everything in memory, without bound.
- Clients learn why they are refused: 1009 too large, 1007 not UTF-8, 1002 a protocol error. Daphne cuts the connection.
- An inbound message has at most `REALTIME["MAX_MESSAGE_BYTES"]`; outbound ones are not limited by that.
- The query string, which may hold a token, is in no log.
- A day is not the end of a socket, and a ping is answered before the next one leaves.
- A port in use is one line, and exit code 1.

Everything is a subclass or a factory's attribute; tests/realtime/test_server_hooks.py names what each of them stands
on in Daphne, autobahn and Twisted. Importing `daphne.server` installs the asyncio reactor of Twisted for the process,
so nothing else in the project imports it or this module, except the command that serves.
"""

# ruff: noqa: N802, N803 - Twisted and autobahn name their hooks and arguments
# mypy: disable-error-code="no-untyped-call"

import argparse
import errno
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any

from daphne.cli import CommandLineInterface
from daphne.endpoints import build_endpoint_description_strings
from daphne.http_protocol import HTTPFactory
from daphne.server import Server
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet import reactor
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import Request

from realtime.conf import limits
from realtime.request_body import BoundedRequest
from realtime.send_gate import SendGate

logger = logging.getLogger("realtime.server")  # by name: run as a program, this module is `__main__`

DEFAULTS: dict[str, int | None] = {
    "websocket_timeout": -1,  # Daphne cuts a socket after a day, with 1000, as if somebody had meant it
    "websocket_connect_timeout": 20,  # above AUTH_TIMEOUT, so that a slow database ends in an answer, not in a reset
    "ping_interval": 25,  # below the 60 s after which proxies give up on a silent connection
    "ping_timeout": 20,  # below the interval: autobahn loses the timer of a ping that is out when the next one leaves
    "websocket_max_message_size": None,  # REALTIME["MAX_MESSAGE_BYTES"]; settings may come with the application only
    "websocket_max_frame_size": None,
}
CLOSE_TIMEOUT = 3  # seconds for the client's part of a closing handshake; autobahn's timers come up to one too early

HELP = """what differs from Daphne:
  --websocket_timeout is {websocket_timeout} by default, --websocket_connect_timeout {websocket_connect_timeout},
  --ping-interval {ping_interval}, --ping-timeout {ping_timeout} (keep it below the interval).
  --websocket-max-message-size and --websocket-max-frame-size are REALTIME["MAX_MESSAGE_BYTES"]
  of the settings (64 KiB) by default, and limit what comes in, not what goes out.
  A client that does not read makes send() wait; REALTIME["SEND_DEADLINE"] (30 s) later it is dropped.
  Frames too large, not UTF-8 or against the protocol are answered with the close codes 1009, 1007, 1002.
  Query strings, which may hold a token, are in no log.""".format(**DEFAULTS)


class CannotListen(Exception):  # noqa: N818 - it names what happened, and its text is for people
    """An address that cannot be listened on; str() of it says which, and why, in one line."""


class LiveProtocol(WebSocketProtocol):
    """One WebSocket, from the upgrade of its HTTP request to the end of the connection."""

    gate: SendGate
    transport: Any

    def connectionMade(self) -> None:
        super().connectionMade()
        self.gate = SendGate(deadline=limits.SEND_DEADLINE, give_up=self._give_up)
        self.transport.unregisterProducer()  # the HTTP channel, whose part ended with the upgrade
        self.transport.registerProducer(self.gate, True)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.gate.stopProducing()
        super().connectionLost(reason)

    def failHandshake(self, reason: str, code: int = 400, responseHeaders: Any = None) -> None:
        super().failHandshake(re.sub(r"\?[^\s\"']*", "", reason), code, responseHeaders)  # the reason is logged

    def serverAccept(self, subprotocol: str | None = None) -> None:
        # autobahn would raise where nobody listens, and leave the connection neither open nor refused.
        if subprotocol is not None and subprotocol not in self.websocket_protocols:
            raise ValueError(f"The client did not offer the subprotocol {subprotocol!r}, so it cannot be accepted.")
        super().serverAccept(subprotocol)

    def serverSend(self, content: str | bytes, binary: bool = False) -> None:
        if self.state != self.STATE_OPEN:
            return  # the client has left, or is leaving: the application is being told
        payload = content if isinstance(content, bytes) else content.encode()
        # Not `sendMessage`, which holds what we send against the limit of what we receive.
        self.sendPreparedMessage(self.factory.prepareMessage(payload, binary))

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
        return bool(super().processData())

    def sendCloseFrame(self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False) -> None:
        super().sendCloseFrame(code, reasonUtf8, isReply)
        self.gate.finish()  # Twisted waits for the client to read the rest: for ever, if it does not
        # No answer will be processed after a failure, so say at once that this was all. Not over TLS, where Twisted
        # knows no half of a connection and would end it before the close frame has left: CLOSE_TIMEOUT ends it there.
        details = self.transport_details
        if self.failedByMe and not (details and details.is_secure):
            self.unregisterProducer()
            self.transport.loseWriteConnection()

    def _give_up(self) -> None:
        client = getattr(self, "client_addr", None) or self.peer
        logger.warning("Client %s has not read for %g s: connection dropped", client, limits.SEND_DEADLINE)
        self.transport.abortConnection()


class LiveRequest(BoundedRequest):
    """One HTTP request."""

    def __repr__(self) -> str:  # Daphne logs it for a request that takes too long to end
        method, path = self.method.decode("latin-1"), self.uri.partition(b"?")[0].decode("latin-1")
        return f"<{type(self).__name__} {method} {path} client={self.client_addr!r}>"


class LiveHTTPFactory(HTTPFactory):
    """Makes the protocol of each new connection."""

    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = LiveRequest
        return protocol

    def log(self, request: Request) -> None:
        """Twisted's own access log, query string and Referer included: Daphne has one, so none is written here."""


class LiveServer(Server):
    """Takes Daphne's arguments. `ready_callable` is called when every endpoint listens."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options = DEFAULTS | options
        options.setdefault("websocket_handshake_timeout", options["websocket_connect_timeout"])  # as the CLI has it
        for size in ("websocket_max_message_size", "websocket_max_frame_size"):
            if options[size] is None:
                options[size] = limits.MAX_MESSAGE_BYTES
        self._on_ready: Callable[[], None] | None = options.get("ready_callable")
        super().__init__(*args, **options | {"ready_callable": self._listen})
        # Daphne would listen with a factory of its own, before it calls us. With no endpoints left it does not listen.
        self._addresses, self.endpoints = self.endpoints, []
        self._refusal: CannotListen | None = None

    def run(self) -> None:
        """Serve until SIGINT, SIGTERM or `stop()`, then return. Raises CannotListen. Once in a process."""
        daphne_logger = logging.getLogger("daphne")
        if daphne_logger.level == logging.NOTSET:  # Django's LOGGING sets the root's level, -v is about the server
            daphne_logger.setLevel({0: logging.WARNING, 1: logging.INFO}.get(self.verbosity, logging.DEBUG))
        super().run()
        if self._refusal:  # of an endpoint that needed a running reactor to find out
            raise self._refusal

    def _listen(self) -> None:
        self.ws_factory.protocol = LiveProtocol
        self.ws_factory.setProtocolOptions(
            failByDrop=False,
            closeHandshakeTimeout=CLOSE_TIMEOUT,
            allowNullOrigin=True,  # the application decides about origins; not to name it is to set it to False
        )
        self.http_factory = LiveHTTPFactory(self)
        for address in self._addresses:
            logger.debug("Listening on endpoint %s", address)
            listener = serverFromString(reactor, str(address)).listen(self.http_factory)
            listener.addCallbacks(self.listen_success, self.listen_error)
            self.listeners.append(listener)
        if self._refusal:
            raise self._refusal
        if self._on_ready:
            self._on_ready()

    def listen_error(self, failure: Failure) -> None:
        error, text = failure.value, failure.getErrorMessage()
        if isinstance(error, CannotListenError) and getattr(error.socketError, "errno", None) == errno.EADDRINUSE:
            text = f"Port {error.port} on {error.interface} is in use."
        self._refusal = CannotListen(text)
        self.stop()

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        if isinstance(protocol, LiveProtocol) and message.get("type") == "websocket.send":
            async with protocol.gate:
                await super().handle_reply(protocol, message)
        else:
            await super().handle_reply(protocol, message)

    def log_action(self, protocol: str, action: str, details: dict[str, Any]) -> None:
        path = str(details.get("path", "")).partition("?")[0]
        super().log_action(protocol, action, {**details, "path": path})


class CLI(CommandLineInterface):
    """`python -m realtime.server`: Daphne's command line, its defaults, and its exit codes."""

    description = "Runwire's HTTP/WebSocket server: Daphne with back-pressure and real close codes"
    server_class = LiveServer

    def __init__(self) -> None:
        super().__init__()
        self.parser.prog = "python -m realtime.server"
        self.parser.epilog = HELP
        self.parser.formatter_class = argparse.RawDescriptionHelpFormatter
        self.parser.set_defaults(**DEFAULTS)

    def run(self, args: Sequence[str]) -> None:
        try:
            super().run(args)
        except CannotListen as refusal:
            self.parser.exit(1, f"{refusal} Choose another port with -p, or address with -b.\n")


def serve(application: Any, host: str, port: int, *, on_ready: Callable[[], None] | None = None) -> None:
    """Serve an ASGI application until Ctrl-C or SIGTERM, then return. Raises CannotListen. Once in a process.

    For a process that already has Django set up. `on_ready` is called when the port accepts connections.
    """
    endpoints = build_endpoint_description_strings(host=host, port=port)
    LiveServer(application=application, endpoints=endpoints, ready_callable=on_ready, verbosity=0).run()


if __name__ == "__main__":
    CLI.entrypoint()
