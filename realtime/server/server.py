"""The server: Daphne, made fit for sockets that stay open for days. It has the options and command line of Daphne.

    python -m realtime.server config.asgi:application -b 0.0.0.0 -p 8000

The differences from Daphne. Every number is a limit in conf.py:

- `await send()` waits while a client does not read (flow_control.py). A client that stops reading, or reads too slowly,
  is closed (slow_reader.py). Daphne keeps everything in memory, without a bound.
- The server stops reading from a client that sends faster than its consumer receives (inbound_queue.py). A client that
  floods the server with messages, pings or fragments is closed with 1008 (receiving.py). A socket parses a few frames,
  and waits for its next turn (turns.py). Frames that come with the handshake are kept.
- A message that comes in has at most MAX_MESSAGE_BYTES. A message that goes out may be larger.
- Clients get the reason as a close code: 1009 too large, 1007 not UTF-8, 1002 protocol error. Daphne cuts the
  connection.
- The connections of the process and of one address are capped (503). The head and the body of a request have deadlines
  (http.py). Requests and handshakes that break the rules are refused (request.py, upgrade.py).
- SIGTERM and SIGINT close each socket with 1012, and wait for consumers and HTTP responses to end (shutdown.py).
- No log contains a query string, which may hold a token, nor what follows one of SECRET_PATHS.
- A socket may stay open for longer than a day. A ping times out before the next one is sent.
- Timers do not depend on the wall clock (monotonic_time.py).
- A port in use gives an error of one line, and exit code 1.

Each change is a subclass or an attribute of a factory. tests/realtime/server/test_server_hooks.py lists the parts of
Daphne, autobahn and Twisted that they depend on. The import of `daphne.server` installs Twisted's asyncio reactor for
the process. So only this package and the command `serve` import it.
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
from realtime.secret_paths import hide_secrets
from realtime.server import monotonic_time
from realtime.server.allocator import give_memory_back
from realtime.server.frame_cache import FrameCache
from realtime.server.http import LiveHTTPFactory
from realtime.server.inbound_queue import InboundQueue, Message
from realtime.server.periodic_checks import PeriodicChecksServer
from realtime.server.shutdown import Shutdown
from realtime.server.turns import Turns
from realtime.server.websocket import LiveProtocol, count_sockets, make_protocol_class
from realtime.tested_versions import find_untested
from realtime.throttling import ServerCaps

logger = logging.getLogger("realtime.server")

DEFAULTS: dict[str, int | str | None] = {
    "server_name": "",  # no header Server: a version tells an attacker what to try
    "websocket_timeout": -1,  # no limit; Daphne closes a socket after a day, with 1000, which means a normal end
    "websocket_connect_timeout": 20,  # above AUTH_TIMEOUT: a slow database must end in a response, not in a reset
    "ping_interval": 25,  # below 60 s, after which proxies close a silent connection
    "ping_timeout": 20,  # below the interval: the next ping makes autobahn forget the timeout of the last one
    "websocket_max_message_size": None,  # REALTIME["MAX_MESSAGE_BYTES"]; the settings may load with the application
    "websocket_max_frame_size": None,
}
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
BACKLOG = 4096  # connections waiting for accept; Twisted's default of 50 makes clients beyond it retry after seconds
# A full collection visits all objects of all sockets, and frees almost nothing: a socket leaves no cycles. Pages do;
# the collections of young objects free them, at the latest every tenth.
GC_THRESHOLDS = (100_000, 10, 100)
CLOSE_TIMEOUT = 3  # seconds for the client's close frame; autobahn's timers fire up to one second early


class CannotListen(Exception):  # noqa: N818 - the name says what happened
    """The server cannot listen on an address. str() gives the address and the reason in one line, for users."""


class LiveServer(PeriodicChecksServer):
    """Takes Daphne's arguments. `ready_callable` is called when all endpoints listen."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options = DEFAULTS | options
        # as in Daphne's command line
        options.setdefault("websocket_handshake_timeout", options["websocket_connect_timeout"])
        for size in ("websocket_max_message_size", "websocket_max_frame_size"):
            if options[size] is None:
                options[size] = limits.MAX_MESSAGE_BYTES
        self._on_ready: Callable[[], None] | None = options.get("ready_callable")
        super().__init__(*args, **options | {"ready_callable": self._listen})
        # Daphne would listen with its own factory before it calls `_listen`. Without endpoints it does not listen.
        self._addresses, self.endpoints = self.endpoints, []
        self._listen_failure: CannotListen | None = None
        self._ports: list[Any] = []
        self._caps = ServerCaps()
        self.turns = Turns()
        self.get_frame = FrameCache(self._build_frame).get_frame

    def run(self) -> None:
        """Serves until SIGINT, SIGTERM or `stop()`, then returns. Raises CannotListen. Once per process."""
        daphne_logger = logging.getLogger("daphne")
        if daphne_logger.level == logging.NOTSET:  # -v sets its level; Django's LOGGING sets that of the root logger
            daphne_logger.setLevel({0: logging.WARNING, 1: logging.INFO}.get(self.verbosity, logging.DEBUG))
        for _, text in find_untested():
            logger.warning('%s See docs/operations.md, "Versions"', text)
        gc.set_threshold(*GC_THRESHOLDS)
        give_memory_back()
        monotonic_time.install()
        old_handlers = {each: signal.getsignal(each) for each in STOP_SIGNALS} if self.signal_handlers else {}
        # Now: a KeyboardInterrupt would be lost in a callback of Twisted, and while the reactor starts.
        self._on_stop_signal(self.stop)
        try:
            super().run()
        finally:
            for each, handler in old_handlers.items():
                signal.signal(each, handler)
        if self._listen_failure:  # an endpoint that failed after the reactor had started
            raise self._listen_failure

    def _listen(self) -> None:
        asgi_extension.count_sockets = self._count_sockets
        self.ws_factory.setProtocolOptions(
            failByDrop=False,
            closeHandshakeTimeout=CLOSE_TIMEOUT,
            allowNullOrigin=True,  # the application checks origins; the default of this call is False
        )
        self.ws_factory.protocol = make_protocol_class(self.ws_factory)
        self.http_factory = LiveHTTPFactory(self)
        for address in self._addresses:
            if address.startswith(("tcp", "ssl")) and ":backlog=" not in address:
                address = f"{address}:backlog={BACKLOG}"
            logger.debug("Listening on endpoint %s", address)
            listener = serverFromString(reactor, address).listen(self.http_factory)
            listener.addCallbacks(self.listen_success, self.listen_error)
            self.listeners.append(listener)
        if self._listen_failure:
            raise self._listen_failure
        if self._on_ready:
            self._on_ready()

    def _on_stop_signal(self, function: Callable[[], None]) -> None:
        """From now on a stop signal calls `function` in the event loop: as soon as that runs."""
        if self.signal_handlers:
            for each in STOP_SIGNALS:
                signal.signal(each, lambda *_: reactor.callFromThread(function))

    def listen_success(self, port: Any) -> None:
        self._ports.append(port)
        asgi_extension.start_background()
        super().listen_success(port)

    def listen_error(self, failure: Failure) -> None:
        error, text = failure.value, failure.getErrorMessage()
        if isinstance(error, CannotListenError) and getattr(error.socketError, "errno", None) == errno.EADDRINUSE:
            text = f"Port {error.port} on {error.interface} is in use."
        self._listen_failure = CannotListen(text)
        self.stop()

    # One connection

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        if not isinstance(protocol, LiveProtocol):
            return super().create_application(protocol, scope)
        scope.setdefault("asgi", {"version": "3.0"})
        send = partial(self.handle_reply, protocol)
        scope["extensions"] = {
            asgi_extension.EXTENSION: {
                asgi_extension.LAST_FRAMES: protocol.last_frames,
                asgi_extension.DIRECT_SENDER: protocol.direct_writer,
                asgi_extension.SEND: send,
            }
        }
        scope["subprotocols"] = protocol.websocket_protocols  # as offered; Daphne decodes "%2C" in their names
        queue = protocol.make_inbound_queue()
        refusal = self._admit(protocol, scope["client"])
        if refusal:
            application = self._refuse(protocol, queue, refusal)
        else:
            application = self.application(scope=scope, receive=queue.get, send=send)
        self.connections[protocol]["application_instance"] = asyncio.ensure_future(application)
        self.watch_application(protocol)
        return queue

    async def _refuse(self, protocol: LiveProtocol, queue: InboundQueue, reason: str) -> None:
        await queue.get()  # websocket.connect: from now on the handshake can be answered
        protocol.refuse_handshake(reason)

    def _admit(self, protocol: LiveProtocol, client: Sequence[Any] | None) -> str | None:
        """Returns why the socket is refused. If it is admitted, returns None and counts it until it is closed."""
        if asgi_extension.is_shutting_down:
            return "The server restarts"
        address = client[0] if client else None
        reached = self._caps.try_acquire(
            address, limit=limits.MAX_CONNECTIONS, address_limit=limits.MAX_ADDRESS_CONNECTIONS
        )
        if reached:
            count(f"refused_{reached}")
            return f"Too many connections of this {reached}"
        protocol.on_end = partial(self._caps.release, address)
        return None

    async def handle_reply(self, protocol: Any, message: Message) -> None:
        if isinstance(protocol, LiveProtocol) and message.get("type") == "websocket.send":
            if not message.get("bytes") and protocol.direct_writer.send(message.get("text")):
                return
            async with protocol.flow:
                if not await protocol.send_in_pieces(message):
                    await super().handle_reply(protocol, message)
        else:
            channel = getattr(protocol, "channel", None)  # None after the end of the connection or response
            if channel is not None and message.get("type") == "http.response.body":
                await channel.drain()
            await super().handle_reply(protocol, message)

    def _build_frame(self, content: str | bytes) -> bytes:
        payload = content if isinstance(content, bytes) else content.encode()
        # `sendMessage` would apply the limit of incoming messages.
        frame: bytes = self.ws_factory.prepareMessage(payload, isinstance(content, bytes)).payloadHybi
        return frame

    # All connections

    def _count_sockets(self) -> dict[str, Any]:
        return {**count_sockets(list(self.connections)), "draining": asgi_extension.is_shutting_down}

    def kill_all_applications(self) -> Deferred[Any]:
        """Daphne calls this before the reactor stops. Daphne's own cancels the applications, and clients see 1006."""
        shutdown = Shutdown(self, self._ports)
        self._on_stop_signal(shutdown.force)
        return Deferred.fromFuture(asyncio.ensure_future(shutdown.run()))

    def log_action(self, protocol: str, action: str, details: dict[str, Any]) -> None:
        path = hide_secrets(str(details.get("path", "")).partition("?")[0])
        super().log_action(protocol, action, {**details, "path": path})


def serve(application: Any, host: str, port: int, *, on_ready: Callable[[], None] | None = None) -> None:
    """Serves an ASGI application until Ctrl-C or SIGTERM, then returns. Raises CannotListen. Once per process.

    The process must have Django set up. `on_ready` is called when the port accepts connections.
    """
    endpoints = build_endpoint_description_strings(host=host, port=port)
    LiveServer(application=application, endpoints=endpoints, ready_callable=on_ready, verbosity=0).run()
