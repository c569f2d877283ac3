"""The server's periodic checks of its connections, limited to the connections that need one.

Daphne checks all connections: every second for applications that have ended, and every other second for timeouts. That
is half of the cost of thousands of silent sockets. Here a check visits only the connections for which one is due.
"""

# mypy: disable-error-code="no-untyped-call, arg-type"

import asyncio
import time
from collections import defaultdict
from math import ceil
from typing import Any
from weakref import ref

from daphne.server import Server
from twisted.internet import reactor

from realtime.server.keepalive import KeepaliveProtocol

_APPLICATION_INTERVAL, _TIMEOUT_INTERVAL = 1, 2  # seconds between checks, as in Daphne


class PeriodicChecksServer(Server):
    """Daphne's server with cheaper periodic checks."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._ended: set[Any] = set()  # connections that are gone, or whose application has ended
        self._due: defaultdict[int, list[ref[Any]]] = defaultdict(list)  # connections, by the second of the next check

    def protocol_connected(self, protocol: Any) -> None:
        super().protocol_connected(protocol)
        self._schedule_check(protocol, 0.0)

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        queue = super().create_application(protocol, scope)
        self.watch_application(protocol)
        return queue

    def watch_application(self, protocol: Any) -> None:
        """Includes the connection in the next check after its application has ended. Call it once the connection has
        its application."""
        application: asyncio.Future[Any] | None = self.connections.get(protocol, {}).get("application_instance")
        if application is not None:
            application.add_done_callback(lambda _: self._ended.add(protocol))

    def protocol_disconnected(self, protocol: Any) -> None:
        super().protocol_disconnected(protocol)
        self._ended.add(protocol)

    def application_checker(self) -> None:
        if not self._ended:
            reactor.callLater(_APPLICATION_INTERVAL, self.application_checker)
            return
        super().application_checker()
        # Lost connections stay in the set until their application has ended or is cancelled at its timeout.
        self._ended = {each for each in self._ended if "disconnected" in self.connections.get(each, ())}

    def timeout_checker(self) -> None:
        now = time.monotonic()
        for second in sorted(each for each in self._due if each <= now):
            for reference in self._due.pop(second):
                protocol: Any = reference()
                if protocol in self.connections:
                    protocol.check_timeouts()
                    at = protocol.next_check if isinstance(protocol, KeepaliveProtocol) else 0.0
                    self._schedule_check(protocol, max(at, now + 1))
        reactor.callLater(_TIMEOUT_INTERVAL, self.timeout_checker)

    def _schedule_check(self, protocol: Any, at: float) -> None:
        self._due[ceil(at)].append(ref(protocol))
