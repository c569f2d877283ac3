"""The server's rounds. Daphne goes through all its connections every second, for applications that have ended, and
every other second, for what is due: half of what thousands of silent sockets cost. Here a round is for those that it
may concern.
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

from realtime.server.keepalive import PatientProtocol

_REAPING, _LOOKING = 1, 2  # seconds between rounds, as in Daphne


class RoundsServer(Server):
    """Daphne's server with shorter rounds."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._ended: set[Any] = set()  # connections that have gone, or whose application has ended
        self._looks: defaultdict[int, list[ref[Any]]] = defaultdict(list)  # at whom, from which second on

    def protocol_connected(self, protocol: Any) -> None:
        super().protocol_connected(protocol)
        self._look_at(protocol, 0.0)

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        queue = super().create_application(protocol, scope)
        self.watch(protocol)
        return queue

    def watch(self, protocol: Any) -> None:
        """The connection has its application: the next round is for it when that has ended."""
        application: asyncio.Future[Any] | None = self.connections.get(protocol, {}).get("application_instance")
        if application is not None:
            application.add_done_callback(lambda _: self._ended.add(protocol))

    def protocol_disconnected(self, protocol: Any) -> None:
        super().protocol_disconnected(protocol)
        self._ended.add(protocol)

    def application_checker(self) -> None:
        if not self._ended:
            reactor.callLater(_REAPING, self.application_checker)
            return
        super().application_checker()
        # Those that have gone stay there until their application ends, or has had its time.
        self._ended = {each for each in self._ended if "disconnected" in self.connections.get(each, ())}

    def timeout_checker(self) -> None:
        now = time.time()
        for second in sorted(each for each in self._looks if each <= now):
            for reference in self._looks.pop(second):
                protocol: Any = reference()
                if protocol in self.connections:
                    protocol.check_timeouts()
                    at = protocol.next_look if isinstance(protocol, PatientProtocol) else 0.0
                    self._look_at(protocol, max(at, now + 1))
        reactor.callLater(_LOOKING, self.timeout_checker)

    def _look_at(self, protocol: Any, at: float) -> None:
        self._looks[ceil(at)].append(ref(protocol))
