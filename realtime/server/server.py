"""The server: Daphne, with what sockets need that stay open for days. Options and command line are Daphne's own.

    python -m realtime.server config.asgi:application -b 0.0.0.0 -p 8000

What differs, and why; every number is a limit in conf.py:

- `await send()` waits while a client does not read (flow_control.py); one that stops reading, or crawls, is closed
  (slow_reader.py). Daphne keeps everything in memory, without bound.
- A client that sends faster than its consumer takes is not read meanwhile (inbound_queue.py), and one that floods is
  closed with 1008 (throttling.py). A message has at most MAX_MESSAGE_BYTES; what is sent is not limited by that.
- Clients learn why they are refused: 1009 too large, 1007 not UTF-8, 1002 a protocol error. Daphne cuts the connection.
- Connections of the process and of one address are capped (503); the head of a request has a deadline (http.py).
- SIGTERM and SIGINT close each socket with 1012, and wait for consumers and pages to end (shutdown.py).
- The query string, which may hold a token, is in no log.
- A day is not the end of a socket, and a ping is answered before the next one leaves.
- A port in use is one line, and exit code 1.

Everything is a subclass or a factory's attribute; tests/realtime/server/test_server_hooks.py names what each of them
stands on in Daphne, autobahn and Twisted. Importing `daphne.server` installs the asyncio reactor of Twisted for the
process, so nothing else in the project imports it or this module, except the command that serves.
"""

# mypy: disable-error-code="no-untyped-call"

import asyncio
import errno
import gc
import logging
import signal
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import daphne.server  # noqa: F401 - first, since it installs the reactor
from daphne.endpoints import build_endpoint_description_strings
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.python.failure import Failure

from realtime import asgi_extension
from realtime.conf import limits
from realtime.metrics import count
from realtime.server.frame_cache import FrameCache
from realtime.server.http import LiveHTTPFactory
from realtime.server.inbound_queue import InboundQueue, Message
from realtime.server.rounds import RoundsServer
from realtime.server.shutdown import Shutdown
from realtime.server.websocket import LiveProtocol, figures, with_options_of
from realtime.throttling import ServerCaps

logger = logging.getLogger("realtime.server")

DEFAULTS: dict[str, int | None] = {
    "websocket_timeout": -1,  # Daphne cuts a socket after a day, with 1000, as if somebody had meant it
    "websocket_connect_timeout": 20,  # above AUTH_TIMEOUT, so that a slow database ends in an answer, not in a reset
    "ping_interval": 25,  # below the 60 s after which proxies give up on a silent connection
    "ping_timeout": 20,  # below the interval: autobahn loses the timer of a ping that is out when the next one leaves
    "websocket_max_message_size": None,  # REALTIME["MAX_MESSAGE_BYTES"]; settings may come with the application only
    "websocket_max_frame_size": None,
}
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
BACKLOG = 4096  # connections that wait to be accepted; of Twisted's 50 the rest of a crowd tries again seconds later
GC_THRESHOLDS = (100_000, 50, 100)  # a full collection looks at every object of every socket, and finds next to nothing
CLOSE_TIMEOUT = 3  # seconds for the client's part of a closing handshake; autobahn's timers come up to one too early


class CannotListen(Exception):  # noqa: N818 - it names what happened, and its text is for people
    """An address that cannot be listened on; str() of it says which, and why, in one line."""


class LiveServer(RoundsServer):
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
        self._refusal: BaseException | None = None  # CannotListen, or an interruption while it began to listen
        self._ports: list[Any] = []
        self._caps = ServerCaps()
        self.frame_of = FrameCache(self._build_frame).of

    def run(self) -> None:
        """Serve until SIGINT, SIGTERM or `stop()`, then return. Raises CannotListen. Once in a process."""
        daphne_logger = logging.getLogger("daphne")
        if daphne_logger.level == logging.NOTSET:  # Django's LOGGING sets the root's level, -v is about the server
            daphne_logger.setLevel({0: logging.WARNING, 1: logging.INFO}.get(self.verbosity, logging.DEBUG))
        gc.set_threshold(*GC_THRESHOLDS)
        before = {each: signal.getsignal(each) for each in STOP_SIGNALS} if self.signal_handlers else {}
        try:
            super().run()
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)
        if self._refusal:  # of an endpoint that needed a running reactor to find out
            raise self._refusal

    def _listen(self) -> None:
        asgi_extension.figures = self._figures
        self.ws_factory.setProtocolOptions(
            failByDrop=False,
            closeHandshakeTimeout=CLOSE_TIMEOUT,
            allowNullOrigin=True,  # the application decides about origins; not to name it is to set it to False
        )
        self.ws_factory.protocol = with_options_of(self.ws_factory)
        self.http_factory = LiveHTTPFactory(self)
        for address in self._addresses:
            if address.startswith(("tcp", "ssl")) and ":backlog=" not in address:
                address = f"{address}:backlog={BACKLOG}"
            logger.debug("Listening on endpoint %s", address)
            listener = serverFromString(reactor, address).listen(self.http_factory)
            listener.addCallbacks(self.listen_success, self.listen_error)
            self.listeners.append(listener)
        if self._refusal:
            raise self._refusal
        if self._on_ready:
            self._on_ready()
        if self.signal_handlers:  # the reactor sets its own while it starts, and loses a KeyboardInterrupt meanwhile
            for each in STOP_SIGNALS:
                signal.signal(each, lambda *_: reactor.callFromThread(self.stop))

    def listen_success(self, port: Any) -> None:
        self._ports.append(port)
        super().listen_success(port)

    def listen_error(self, failure: Failure) -> None:
        error, text = failure.value, failure.getErrorMessage()
        if not isinstance(error, Exception):  # Ctrl-C, which Twisted catches like everything else
            self._refusal = error
            return
        if isinstance(error, CannotListenError) and getattr(error.socketError, "errno", None) == errno.EADDRINUSE:
            text = f"Port {error.port} on {error.interface} is in use."
        self._refusal = CannotListen(text)
        self.stop()

    # One connection

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        if not isinstance(protocol, LiveProtocol):
            return super().create_application(protocol, scope)
        scope.setdefault("asgi", {"version": "3.0"})
        scope["extensions"] = {
            asgi_extension.EXTENSION: {
                asgi_extension.LAST_FRAMES: protocol.last_frames,
                asgi_extension.DIRECT_SENDER: protocol.direct_writer,
            }
        }
        queue = protocol.inbound_queue()
        refusal = self._admit(protocol, scope["client"])
        work = self._refuse(protocol, queue, refusal) if refusal else self._application_of(protocol, scope, queue)
        self.connections[protocol]["application_instance"] = asyncio.ensure_future(work)
        self.watch(protocol)
        return queue

    def _application_of(self, protocol: LiveProtocol, scope: dict[str, Any], queue: InboundQueue) -> Any:
        return self.application(scope=scope, receive=queue.get, send=partial(self.handle_reply, protocol))

    async def _refuse(self, protocol: LiveProtocol, queue: InboundQueue, reason: str) -> None:
        await queue.get()  # websocket.connect: from now on there is a handshake that can be answered
        protocol.refuse(reason)

    def _admit(self, protocol: LiveProtocol, client: Sequence[Any] | None) -> str | None:
        """Why there is no room for this socket; None where there is, and it is counted until it goes."""
        if asgi_extension.is_draining:
            return "The server restarts"
        address = client[0] if client else None
        full = self._caps.enter(address, most=limits.MAX_CONNECTIONS, most_of_address=limits.MAX_ADDRESS_CONNECTIONS)
        if full:
            count(f"refused_{full}")
            return f"Too many connections of this {full}"
        protocol.on_end = partial(self._caps.leave, address)
        return None

    async def handle_reply(self, protocol: Any, message: Message) -> None:
        if isinstance(protocol, LiveProtocol) and message.get("type") == "websocket.send":
            if not message.get("bytes") and protocol.direct_writer.send(message.get("text")):
                return
            async with protocol.gate:
                if not await protocol.send_in_turn(message):
                    await super().handle_reply(protocol, message)
        else:
            await super().handle_reply(protocol, message)

    def _build_frame(self, content: str | bytes) -> bytes:
        payload = content if isinstance(content, bytes) else content.encode()
        # Not `sendMessage`, which holds what we send against the limit of what we receive.
        frame: bytes = self.ws_factory.prepareMessage(payload, isinstance(content, bytes)).payloadHybi
        return frame

    # All of them

    def _figures(self) -> dict[str, Any]:
        return {**figures(list(self.connections)), "draining": asgi_extension.is_draining}

    def kill_all_applications(self) -> Deferred[Any]:
        """What Daphne does before the reactor stops; it cancels, and clients see 1006."""
        drain = Shutdown(self, self._ports)
        if self.signal_handlers:
            for each in STOP_SIGNALS:
                signal.signal(each, lambda *_: reactor.callFromThread(drain.hurry))
        return Deferred.fromFuture(asyncio.ensure_future(drain.run()))

    def log_action(self, protocol: str, action: str, details: dict[str, Any]) -> None:
        path = str(details.get("path", "")).partition("?")[0]
        super().log_action(protocol, action, {**details, "path": path})


def serve(application: Any, host: str, port: int, *, on_ready: Callable[[], None] | None = None) -> None:
    """Serve an ASGI application until Ctrl-C or SIGTERM, then return. Raises CannotListen. Once in a process.

    For a process that already has Django set up. `on_ready` is called when the port accepts connections.
    """
    endpoints = build_endpoint_description_strings(host=host, port=port)
    LiveServer(application=application, endpoints=endpoints, ready_callable=on_ready, verbosity=0).run()
