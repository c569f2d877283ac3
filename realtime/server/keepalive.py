"""Pings: they find out whether the client of a WebSocket is still there, and allow for slow clients and applications.

A ping waits behind the data that the client has not yet read. Its pong waits behind the data that the server does not
read. So a missing pong alone does not prove that the client has gone:

- No pong is awaited while the server does not read from the socket, or while the client is behind. The inbound queue or
  the flow control decides then.
- Otherwise the client has `--ping-timeout` for the pong. The timeout is extended once, by the time in which a client of
  PING_READ_RATE bytes a second reads the data that may lie before the ping.

Pings and pongs are most of the cost of silent sockets, so both bypass autobahn's general code.
"""

# ruff: noqa: N802, N815 - Twisted and autobahn name their hooks
# mypy: disable-error-code="no-untyped-call"

import struct
import time
from typing import Any

import daphne.server  # noqa: F401 - first, since it installs the reactor
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from realtime.conf import limits

_PAYLOAD = struct.Struct(">QL")  # the time and the number of a ping, as in autobahn
_PING = bytes([0x89, _PAYLOAD.size])  # the head of the frame: RFC 6455, 5.2
_PONG = bytes([0x8A, 0x80 | _PAYLOAD.size])  # a mask of 4 bytes follows; it masks each 4 bytes of the payload


class KeepaliveProtocol(WebSocketProtocol):
    """A WebSocket whose ping timeout allows for slow clients."""

    autoPingTimeout: float
    autoPingPending: Any  # the payload of the ping whose pong is awaited, or None
    is_closed: Any  # autobahn's future of the end; its result is the protocol itself
    is_reading_paused = False  # the server does not read from the socket
    bytes_written = 0  # all bytes that were given to the transport
    _bytes_read = 0  # of these, the bytes that the client has certainly read
    _bytes_before_ping = 0  # the value of bytes_written just before the last ping
    _pong_due: float | None = None  # `time.monotonic()`; None while no pong is awaited
    _is_timeout_extended = False  # of the last ping

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        # These refer back to this object. Without them it is freed at its end: the garbage collector runs seldom here.
        self.is_closed = None
        vars(self).pop("application_queue", None)

    @property
    def is_pong_delayed(self) -> bool:
        """Whether the pong is known to wait behind other data."""
        return self.is_reading_paused

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        self.bytes_written += len(data)
        super().sendData(data, sync, chopsize)

    def send_control_frame(self, frame: bytes) -> None:
        """Sends a whole frame, behind all data that was sent before."""
        self.sendData(frame)

    def check_timeouts(self) -> None:  # periodic_checks.py calls it at `next_check`
        super().check_timeouts()
        if self.autoPingPending:
            self._check_pong(time.monotonic())

    @property
    def next_check(self) -> float:
        """`time.monotonic()` before which check_timeouts() has nothing to do."""
        if self.state != self.STATE_OPEN:
            return 0.0
        due = self.last_ping + self.server.ping_interval
        if self.autoPingPending:
            due = min(due, self._pong_due or 0.0)
        lifetime = self.server.websocket_timeout
        return float(due if lifetime < 0 else min(due, self.socket_opened + lifetime))

    def _sendAutoPing(self) -> None:
        # One ping at a time, since only the payload of the last one is kept. While the server does not read from the
        # socket, pings go out all the same: if the client has gone, its system answers them with a reset.
        if self.state == self.STATE_OPEN and (self.is_reading_paused or not self.autoPingPending):
            self._bytes_before_ping, self._is_timeout_extended = self.bytes_written, False
            self._pong_due = time.monotonic() + self.autoPingTimeout if self._awaits_pong else None
            self.autoPingPendingSeq += 1
            self.autoPingPending = _PAYLOAD.pack(time.monotonic_ns(), self.autoPingPendingSeq)
            self.send_control_frame(_PING + self.autoPingPending)

    def dataReceived(self, data: bytes) -> None:
        if self._is_pong(data):
            self.autoPingPending = None
            self.onAutoPong()
        else:
            self._dataReceived(data)  # autobahn's dataReceived does the same, and formats unused debug messages

    def _is_pong(self, data: bytes) -> bool:
        """Whether the data is exactly the pong to the last ping."""
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
        self._bytes_read = self._bytes_before_ping

    def _check_pong(self, now: float) -> None:
        if not self._awaits_pong:
            self._pong_due = None
        elif self._pong_due is None:
            self._pong_due = now + self.autoPingTimeout
        elif self._pong_due <= now:
            read_time = (self._bytes_before_ping - self._bytes_read) / limits.PING_READ_RATE
            if read_time > 1 and not self._is_timeout_extended:
                self._is_timeout_extended, self._pong_due = True, now + read_time
            else:
                self.onAutoPingTimeout()

    @property
    def _awaits_pong(self) -> bool:
        return bool(self.autoPingTimeout) and not self.is_pong_delayed

    def restart_pong_timeout(self) -> None:
        """Gives the pong its whole timeout again, from the next check on. For changes of `is_pong_delayed`."""
        self._pong_due = None
