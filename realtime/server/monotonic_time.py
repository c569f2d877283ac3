"""Gives the timers of Twisted, autobahn and Daphne a monotonic clock.

They compute timers and durations from `time.time()`. Without this, no timer fires for a day after the clock of the
machine was set back by a day: no ping goes out, no deadline holds, and the server does not stop. A clock that is set
forward lets every timeout pass at once.

Timestamps, as in logs and in the Date header, do not come from these clocks.
"""

import time
from types import SimpleNamespace
from typing import Any

import daphne.server  # first, since it installs the reactor
from daphne import http_protocol, ws_protocol
from twisted.internet import reactor


def install() -> None:
    """For the whole process. Must be called before the first timer is started."""
    clock: Any = reactor
    clock.seconds = time.monotonic  # autobahn's timers are the reactor's; asyncio has this clock, too
    for module in (daphne.server, http_protocol, ws_protocol):
        vars(module)["time"] = SimpleNamespace(time=time.monotonic)  # they call time.time(), and nothing else of it
