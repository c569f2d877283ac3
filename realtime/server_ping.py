"""Is the client of a WebSocket still there? A ping waits behind what the client has not yet read, and its answer behind
what we do not read. So a client is not given up because it, or the application, is slow.

- While the socket is paused, or its client is behind, no answer is awaited: the gate, or the application, is the judge.
- Else an answer has `--ping-timeout`, and once more the time in which a client of SLOW_READ bytes a second reads what
  may lie before the ping.
"""

# ruff: noqa: N802, N815 - Twisted and autobahn name their hooks
# mypy: disable-error-code="no-untyped-call"

from typing import Any

import daphne.server  # noqa: F401 - first, since it installs the reactor
from daphne.ws_protocol import WebSocketProtocol

from realtime.conf import limits


class PatientProtocol(WebSocketProtocol):
    """Pings with patience."""

    autoPingTimeout: float
    is_paused = False  # what the client sends is left in the network
    written = 0  # bytes, all that was given to the transport
    _read = _written_before_ping = 0  # of these, what the client has read for certain; what came before the last ping
    _is_prolonged = False

    @property
    def is_pong_held_up(self) -> bool:
        """Whether something is known to be in the way of an answer."""
        return self.is_paused

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        self.written += len(data)
        super().sendData(data, sync, chopsize)

    def check_timeouts(self) -> None:  # server_rounds.py calls it every two seconds, from `next_look` on
        super().check_timeouts()
        if self.autoPingPending and self.autoPingTimeoutCall is None and not self.is_pong_held_up:
            self._await_pong(self.autoPingTimeout)

    @property
    def next_look(self) -> float:
        """Before this time (`time.time()`) check_timeouts() has nothing to do."""
        if self.state != self.STATE_OPEN or self.autoPingPending:
            return 0.0
        lifetime = self.server.websocket_timeout
        ping = self.last_ping + self.server.ping_interval
        return float(ping if lifetime < 0 else min(ping, self.socket_opened + lifetime))

    def _sendAutoPing(self) -> None:
        # One at a time, as autobahn knows the answer to the last one only. To a client that is not read any number:
        # if it has gone, its system says so.
        if self.state == self.STATE_OPEN and (self.is_paused or not self.autoPingPending):
            self.stop_ping_timer()
            self._written_before_ping, self._is_prolonged = self.written, False
            super()._sendAutoPing()

    def onAutoPong(self, *args: Any) -> None:
        self._read = self._written_before_ping
        super().onAutoPong(*args)

    def onAutoPingTimeout(self) -> None:
        self.autoPingTimeoutCall = None
        if self.is_pong_held_up:
            return  # check_timeouts() goes on
        unread = (self._written_before_ping - self._read) / limits.SLOW_READ
        if unread > 1 and not self._is_prolonged:
            self._is_prolonged = True
            self._await_pong(unread)
            return
        super().onAutoPingTimeout()

    def stop_ping_timer(self) -> None:
        """Until check_timeouts() starts it again."""
        if self.autoPingTimeoutCall is not None:
            self.autoPingTimeoutCall.cancel()
            self.autoPingTimeoutCall = None

    def _await_pong(self, seconds: float) -> None:
        if self.autoPingTimeout:
            self.autoPingTimeoutCall = self.factory._batched_timer.call_later(seconds, self.onAutoPingTimeout)
