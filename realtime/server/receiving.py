"""The receiving side of one WebSocket: what each frame costs the client, turns, and pauses of reading.

Twisted, autobahn and Daphne call the methods in mixedCase. tests/realtime/server/test_server_hooks.py lists them.
"""

# ruff: noqa: N802, N803 - Twisted and autobahn name their hooks and arguments
# mypy: disable-error-code="no-untyped-call"

import asyncio
import logging
from typing import Any

from realtime.conf import limits
from realtime.metrics import count
from realtime.server.inbound_queue import InboundQueue
from realtime.server.sending import CONTINUATION, SendingProtocol
from realtime.throttling import TokenBucket
from realtime.wire.close_codes import POLICY_VIOLATION

logger = logging.getLogger("realtime.server")

CLOSE = 8  # opcodes from here on are control frames
SMALL_READ = 4_096  # bytes that are processed without a turn: a few requests
MAX_PIECES = 64  # of one frame that comes in many segments, before they are joined; each costs some 50 bytes


class ReceivingProtocol(SendingProtocol):
    """A WebSocket whose client pays for each frame, and waits for the application and for other clients."""

    _bucket: TokenBucket | None = None  # None: no limit on frames
    _fragments = 0  # of the message that is being received
    _has_handshake = False  # the handshake is read, and perhaps not yet answered
    _is_waiting_for_turn = False
    _steps_left = 0  # of this turn; a frame has two steps, its head and its payload

    def connectionMade(self) -> None:
        super().connectionMade()
        if limits.MESSAGE_BURST:
            self._bucket = TokenBucket(limits.MESSAGE_RATE, limits.MESSAGE_BURST, _now())

    def make_inbound_queue(self) -> InboundQueue:
        """A new queue for the application's `receive`."""
        return InboundQueue(
            max_messages=limits.INBOUND_MESSAGES,
            max_bytes=limits.INBOUND_BYTES,
            pause_reading=self._pause_reading,
            resume_reading=self._resume_reading,
        )

    # What a frame costs

    def onFrameBegin(self) -> None:
        if self.state == self.STATE_OPEN:
            opcode = self.current_frame.opcode
            # A close frame is the last one. The pong to our ping comes at the rate of our pings and usually bypasses
            # this method (keepalive.py).
            if opcode != CLOSE and self._bucket is not None and not self._bucket.take(_now()):
                self._close_flood("too many messages, or frames without one")
                return
            if opcode < CLOSE:
                self._fragments = self._fragments + 1 if opcode == CONTINUATION else 1
                if self._fragments > limits.MAX_FRAGMENTS:
                    self._close_flood(f"more than {limits.MAX_FRAGMENTS} fragments of a message")
                    return
        super().onFrameBegin()

    def _close_flood(self, reason: str) -> None:
        count("floods")
        logger.warning("Client %s sends %s: closed", self._client, reason)
        self._send_last_frame(POLICY_VIOLATION)
        self._fail_connection(POLICY_VIOLATION, reason)

    def _send_last_frame(self, code: int) -> None:
        """Sends the frame that the application has registered for this close code."""
        raise NotImplementedError

    def onMessageFrameData(self, payload: bytes) -> None:
        super().onMessageFrameData(payload)
        if len(self.frame_data) >= MAX_PIECES:
            self._join_pieces()

    def onMessageFrameEnd(self) -> None:
        if len(self.frame_data) > 1:
            self._join_pieces()
        super().onMessageFrameEnd()

    def _join_pieces(self) -> None:
        self.frame_data = [b"".join(self.frame_data)]

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if self.state == self.STATE_OPEN:  # after our close frame only the client's close frame counts
            super().onMessage(payload, isBinary)

    # Before the handshake is answered

    def onConnect(self, request: Any) -> Any:
        self._has_handshake = True
        self.websocket_extensions = []  # none is offered; autobahn would refuse an offer that it cannot parse
        return super().onConnect(request)

    def onOpen(self) -> None:
        super().onOpen()
        if self.data:
            self.transport.resumeProducing()  # autobahn processes the data next

    def consumeData(self) -> None:
        if self.state == self.STATE_CONNECTING and self._has_handshake:
            # Frames before the answer. autobahn would read them as another handshake. They wait, and the client, too.
            self.transport.pauseProducing()
            return
        super().consumeData()

    # Turns and pauses

    def dataReceived(self, data: bytes) -> None:
        if not self._is_waiting_for_turn:
            is_large = len(data) > SMALL_READ and self.state == self.STATE_OPEN
            may_process = not is_large or self.server.turns.take()
            self._steps_left = 2 * limits.FRAMES_PER_TURN if may_process else 0
        super().dataReceived(data)

    def processData(self) -> bool:
        # RFC 6455, 7.1.7: after a failure no data is processed, not even the rest of the same frame. The data is still
        # read and dropped. If it stayed unread, our close would become a TCP reset, which can overtake the close code.
        if self.failedByMe:
            self.data = b""
            return False
        if self.is_reading_paused or self._is_waiting_for_turn:
            return False
        if self._steps_left <= 0:
            self._wait_for_turn()
            return False
        self._steps_left -= 1
        return bool(super().processData())

    def _pause_reading(self) -> None:
        self.is_reading_paused = True
        self.transport.pauseProducing()
        self.restart_pong_timeout()

    def _resume_reading(self) -> None:
        if self.is_reading_paused:
            self.is_reading_paused = False
            self._wait_for_turn()  # not within the application's receive()

    def _wait_for_turn(self) -> None:
        if not self._is_waiting_for_turn:
            self._is_waiting_for_turn = True
            self.transport.pauseProducing()
            self.server.turns.wait(self._take_turn)

    def _take_turn(self) -> None:
        self._is_waiting_for_turn = False
        self._steps_left = 2 * limits.FRAMES_PER_TURN
        if not self.is_reading_paused and self.state != self.STATE_CLOSED:
            self.consumeData()  # the data that autobahn has already read
        if not self.is_reading_paused and not self._is_waiting_for_turn and self.state != self.STATE_CLOSED:
            self.transport.resumeProducing()

    @property
    def _client(self) -> Any:
        return getattr(self, "client_addr", None) or self.peer


def _now() -> float:
    return asyncio.get_running_loop().time()
