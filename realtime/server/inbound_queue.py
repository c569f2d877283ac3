"""The bounded queue of messages that a client has sent and its application has not yet received.

Daphne reads as fast as a client sends, and keeps everything: 200 MB for a slow consumer are 200 MB of memory. This
queue loses nothing. It pauses reading from the socket when it is full, and resumes it when it is half empty. It may
hold one message more than its bounds. The messages that open and close the connection always fit.
"""

from collections.abc import Callable
from typing import Any

from realtime.aio.latch import Latch

Message = dict[str, Any]


class InboundQueue:
    """The queue behind an application's `receive`. It has the two methods that Daphne uses."""

    def __init__(
        self,
        *,
        max_messages: int,
        max_bytes: int,
        pause_reading: Callable[[], None],
        resume_reading: Callable[[], None],
    ) -> None:
        """`put_nowait` calls `pause_reading`, `get` calls `resume_reading`. The calls alternate."""
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._pause_reading, self._resume_reading = pause_reading, resume_reading
        self._messages: list[Message] = []
        self._bytes = 0
        self._is_reading_paused = False
        self._arrival = Latch(is_open=False)  # open while there is a message

    def put_nowait(self, message: Message) -> None:
        """Adds a message. Must be called in the thread of the event loop."""
        self._messages.append(message)
        self._bytes += _size(message)
        self._arrival.open()
        if (
            not self._is_reading_paused
            and message["type"] == "websocket.receive"
            and (len(self._messages) >= self._max_messages or self._bytes >= self._max_bytes)
        ):
            self._is_reading_paused = True
            self._pause_reading()

    async def get(self) -> Message:
        """Waits for the next message and returns it."""
        await self._arrival.wait()
        message = self._messages.pop(0)
        if not self._messages:
            self._arrival.close()
        self._bytes -= _size(message)
        is_half_empty = len(self._messages) <= self._max_messages // 2 and self._bytes <= self._max_bytes // 2
        if self._is_reading_paused and is_half_empty:
            self._is_reading_paused = False
            self._resume_reading()
        return message


def _size(message: Message) -> int:
    return len(message.get("text") or message.get("bytes") or "")
