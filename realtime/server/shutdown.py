"""The orderly shutdown of the server. It takes at most DRAIN_TIMEOUT, and then the time for the clean-up of cancelled
applications.

1  Stop listening. From now on /readyz answers 503 on connections that are still open.
2  Refuse handshakes in progress. Close each socket with 1012, spread over DRAIN_SPREAD.
3  Wait until consumers have ended, and until HTTP responses are complete and sent.
4  Cancel the applications that still run, and wait for their clean-up.
"""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Protocol

from realtime import asgi_extension
from realtime.conf import limits
from realtime.server.websocket import LiveProtocol
from realtime.wire.close_codes import SERVICE_RESTART

logger = logging.getLogger("realtime.server")

CLEAN_UP_TIMEOUT = 5.0  # seconds for a cancelled application; a consumer's own clean-up has as much
POLL_INTERVAL = 0.05  # seconds


class StoppableServer(Protocol):
    """The parts of the server that a shutdown uses."""

    connections: dict[Any, dict[str, Any]]
    http_factory: Any

    def application_checker(self) -> None: ...


class Shutdown:
    """One shutdown. Call `run` once, in the server's event loop."""

    def __init__(self, server: StoppableServer, ports: Iterable[Any]) -> None:
        self._server, self._ports = server, ports
        self._is_forced = asyncio.Event()

    def force(self) -> None:
        """Ends all waiting. For a second signal."""
        self._is_forced.set()

    async def run(self) -> None:
        """Never raises."""
        asgi_extension.is_shutting_down = True
        asgi_extension.stop_background()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limits.DRAIN_TIMEOUT
        try:
            for port in self._ports:
                port.stopListening()
            sockets = [each for each in self._server.connections if isinstance(each, LiveProtocol)]
            for number, socket in enumerate(sockets):
                loop.call_later(limits.DRAIN_SPREAD * number / len(sockets), _close_socket, socket)
            if sockets:
                logger.info("Stopping: closing %d sockets", len(sockets))
                await self._sleep(limits.DRAIN_SPREAD * (len(sockets) - 1) / len(sockets))
            while self._running_applications() and loop.time() < deadline and not self._is_forced.is_set():
                await self._sleep(POLL_INTERVAL)  # cheaper than a wake-up for each of thousands of applications
            await self._close_http_connections(deadline)
            await self._cancel_applications()
            self._server.application_checker()  # logs the exceptions of the applications that ended last
        except Exception:
            logger.exception("The shutdown failed: sockets may not have got a close code")

    def _running_applications(self) -> list["asyncio.Future[Any]"]:
        """A connection whose request is incomplete has no application."""
        found = [details.get("application_instance") for details in self._server.connections.values()]
        return [each for each in found if each is not None and not each.done()]

    async def _sleep(self, seconds: float) -> None:
        """Returns early if the shutdown is forced."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._is_forced.wait(), seconds)

    async def _close_http_connections(self, deadline: float) -> None:
        """Closes each connection that speaks HTTP once its response is sent."""
        channels = self._server.http_factory.channels
        for channel in list(channels):
            channel.loseConnection()
        while channels and asyncio.get_running_loop().time() < deadline and not self._is_forced.is_set():
            await self._sleep(POLL_INTERVAL)

    async def _cancel_applications(self) -> None:
        remaining = self._running_applications()
        for application in remaining:
            application.cancel()
        if remaining:
            logger.warning("Stopping: %d applications were cancelled", len(remaining))
            await asyncio.wait(remaining, timeout=0 if self._is_forced.is_set() else CLEAN_UP_TIMEOUT)


def _close_socket(socket: LiveProtocol) -> None:
    try:
        socket.refuse_handshake("The server restarts")  # does nothing after the handshake
        socket.close_with_last_frame(SERVICE_RESTART)
    except Exception:
        logger.exception("A socket could not be closed with %d", SERVICE_RESTART)
