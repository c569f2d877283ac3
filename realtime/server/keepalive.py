"""Is the client of a WebSocket still there? A ping waits behind what the client has not yet read, and its answer behind
what we do not read. So a client is not given up because it, or the application, is slow.

- While the socket is paused, or its client is behind, no answer is awaited: the gate, or the application, is the judge.
- Else an answer has `--ping-timeout`, and once more the time in which a client of PING_READ_RATE bytes a second reads
what
  may lie before the ping.

Pings and their answers are most of what silent sockets cost, so both go past autobahn's general ways.
"""

# ruff: noqa: N802, N815 - Twisted and autobahn name their hooks
# mypy: disable-error-code="no-untyped-call"

import struct
import time
from typing import Any

import daphne.server  # noqa: F401 - first, since it installs the reactor
from daphne.ws_protocol import WebSocketProtocol

from realtime.conf import limits

_PAYLOAD = struct.Struct(">QL")  # the time and the number of a ping, as autobahn has them
_PING = bytes([0x89, _PAYLOAD.size])  # how the frame begins: RFC 6455, 5.2
_PONG = bytes([0x8A, 0x80 | _PAYLOAD.size])  # and then a mask of 4 bytes, for each 4 of the payload


class PatientProtocol(WebSocketProtocol):
    """Pings with patience."""

    autoPingTimeout: float
    autoPingPending: Any  # the payload of the ping that is out, or None
    is_paused = False  # what the client sends is left in the network
    written = 0  # bytes, all that was given to the transport
    _read = _written_before_ping = 0  # of these, what the client has read for certain; what came before the last ping
    _pong_due: float | None = None  # `time.time()`; None while no answer is awaited
    _is_prolonged = False

    @property
    def is_pong_held_up(self) -> bool:
        """Whether something is known to be in the way of an answer."""
        return self.is_paused

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        self.written += len(data)
        super().sendData(data, sync, chopsize)

    def send_control_frame(self, frame: bytes) -> None:
        """Sends a whole frame, behind everything that was sent."""
        self.sendData(frame)

    def check_timeouts(self) -> None:  # rounds.py calls it when `next_look` has come
        super().check_timeouts()
        if self.autoPingPending:
            self._check_pong(time.time())

    @property
    def next_look(self) -> float:
        """Before this time (`time.time()`) check_timeouts() has nothing to do."""
        if self.state != self.STATE_OPEN:
            return 0.0
        look = self.last_ping + self.server.ping_interval
        if self.autoPingPending:
            look = min(look, self._pong_due or 0.0)
        lifetime = self.server.websocket_timeout
        return float(look if lifetime < 0 else min(look, self.socket_opened + lifetime))

    def _sendAutoPing(self) -> None:
        # One at a time, as only the answer to the last one is known. To a client that is not read any number: if it
        # has gone, its system says so.
        if self.state == self.STATE_OPEN and (self.is_paused or not self.autoPingPending):
            self._written_before_ping, self._is_prolonged = self.written, False
            self._pong_due = time.time() + self.autoPingTimeout if self._awaits_pong else None
            self.autoPingPendingSeq += 1
            self.autoPingPending = _PAYLOAD.pack(time.time_ns(), self.autoPingPendingSeq)
            self.send_control_frame(_PING + self.autoPingPending)

    def dataReceived(self, data: bytes) -> None:
        if self._is_pong(data):
            self.autoPingPending = None
            self.onAutoPong()
        else:
            self._dataReceived(data)  # as autobahn's own, less the texts for a debug message that nobody reads

    def _is_pong(self, data: bytes) -> bool:
        """Whether this is the answer to our ping, and nothing but that."""
        ping = self.autoPingPending
        return (
            ping is not None
            and data[:2] == _PONG
            and len(data) == 6 + _PAYLOAD.size
            and not self.data
            and self.current_frame is None
            and self.state == self.STATE_OPEN
            and int.from_bytes(data[6:]) ^ int.from_bytes(data[2:6] * 3) == int.from_bytes(ping)
        )

    def onAutoPong(self, *args: Any) -> None:
        self._read = self._written_before_ping

    def _check_pong(self, now: float) -> None:
        if not self._awaits_pong:
            self._pong_due = None
        elif self._pong_due is None:
            self._pong_due = now + self.autoPingTimeout
        elif self._pong_due <= now:
            unread = (self._written_before_ping - self._read) / limits.PING_READ_RATE
            if unread > 1 and not self._is_prolonged:
                self._is_prolonged, self._pong_due = True, now + unread
            else:
                self.onAutoPingTimeout()

    @property
    def _awaits_pong(self) -> bool:
        return bool(self.autoPingTimeout) and not self.is_pong_held_up

    def await_pong_anew(self) -> None:
        """What was in the way of an answer is so no longer, or will be: it has its whole time again."""
        self._pong_due = None
