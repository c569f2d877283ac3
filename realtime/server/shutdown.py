"""How the server stops: nobody new, everybody told, and nobody waited for longer than DRAIN_TIMEOUT.

1  stop listening; /readyz says 503 on connections that are still open
2  refuse handshakes that are under way; close each socket with 1012, spread over DRAIN_SPREAD
3  wait until consumers have cleaned up, and pages are answered and sent
4  cancel what is left, and give its clean-up a moment
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

CLEAN_UP_TIMEOUT = 5.0  # seconds, for what was cancelled; a consumer's own clean-up has as much
TICK = 0.05  # seconds between two looks at who is still there


class Draining(Protocol):
    """What is needed of the server."""

    connections: dict[Any, dict[str, Any]]
    http_factory: Any

    def application_checker(self) -> None: ...


class Shutdown:
    """One way down. `run` once, in the server's loop."""

    def __init__(self, server: Draining, ports: Iterable[Any]) -> None:
        self._server, self._ports = server, ports
        self._is_hurried = asyncio.Event()

    def hurry(self) -> None:
        """Stop at once: a second signal."""
        self._is_hurried.set()

    async def run(self) -> None:
        """Never raises."""
        asgi_extension.is_draining = True
        loop = asyncio.get_running_loop()
        end = loop.time() + limits.DRAIN_TIMEOUT
        try:
            for port in self._ports:
                port.stopListening()
            sockets = [each for each in self._server.connections if isinstance(each, LiveProtocol)]
            for number, socket in enumerate(sockets):
                loop.call_later(limits.DRAIN_SPREAD * number / len(sockets), _send_away, socket)
            if sockets:
                logger.info("Stopping: %d sockets are told", len(sockets))
                await self._unless_hurried(limits.DRAIN_SPREAD * (len(sockets) - 1) / len(sockets))
            while self._applications() and loop.time() < end and not self._is_hurried.is_set():
                await self._unless_hurried(TICK)  # not for each of thousands, one after the other
            await self._send_pages(end)
            await self._cancel()
            self._server.application_checker()  # logs what those that ended last have raised
        except Exception:
            logger.exception("Stopping went wrong")

    def _applications(self) -> list["asyncio.Future[Any]"]:
        """Those that still run. A request that has come half has none."""
        found = [details.get("application_instance") for details in self._server.connections.values()]
        return [each for each in found if each is not None and not each.done()]

    async def _unless_hurried(self, seconds: float) -> None:
        """Waits until the time is over, or there is a hurry."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._is_hurried.wait(), seconds)

    async def _send_pages(self, end: float) -> None:
        """Ends the connections that speak HTTP, each when what was answered on it has left."""
        channels = self._server.http_factory.channels
        for channel in list(channels):
            channel.loseConnection()
        while channels and asyncio.get_running_loop().time() < end and not self._is_hurried.is_set():
            await self._unless_hurried(TICK)

    async def _cancel(self) -> None:
        left = self._applications()
        for application in left:
            application.cancel()
        if left:
            logger.warning("Stopping: %d applications were cancelled", len(left))
            await asyncio.wait(left, timeout=0 if self._is_hurried.is_set() else CLEAN_UP_TIMEOUT)


def _send_away(socket: LiveProtocol) -> None:
    try:
        socket.refuse("The server restarts")  # where the handshake is under way
        socket.leave(SERVICE_RESTART)
    except Exception:
        logger.exception("A socket could not be told that the server stops")
