"""What a client has sent and its application has not yet taken. Bounded, by pausing the socket and not by losing.

Daphne reads as fast as a client sends, and keeps all of it: 200 MB for a slow consumer are 200 MB of memory. This queue
asks for a pause when it is full, and for more when it is half empty. It may hold one message more than its bounds, and
what says that the connection has opened or gone always fits.
"""

from collections.abc import Callable
from typing import Any

from realtime.aio.latch import Latch

Message = dict[str, Any]


class InboundQueue:
    """The queue between a socket and its application's `receive`, with the two methods that Daphne uses."""

    def __init__(
        self, *, max_messages: int, max_bytes: int, pause: Callable[[], None], resume: Callable[[], None]
    ) -> None:
        """`pause` is called from within `put_nowait`, `resume` from within `get`; they alternate."""
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._pause, self._resume = pause, resume
        self._messages: list[Message] = []
        self._bytes = 0
        self._is_paused = False
        self._arrival = Latch(is_open=False)

    def put_nowait(self, message: Message) -> None:
        """From the event loop's thread."""
        self._messages.append(message)
        self._bytes += _size(message)
        self._arrival.open()
        if (
            not self._is_paused
            and message["type"] == "websocket.receive"
            and (len(self._messages) >= self._max_messages or self._bytes >= self._max_bytes)
        ):
            self._is_paused = True
            self._pause()

    async def get(self) -> Message:
        """The next message, as soon as there is one."""
        await self._arrival.wait()
        message = self._messages.pop(0)
        if not self._messages:
            self._arrival.close()
        self._bytes -= _size(message)
        if self._is_paused and len(self._messages) <= self._max_messages // 2 and self._bytes <= self._max_bytes // 2:
            self._is_paused = False
            self._resume()
        return message


def _size(message: Message) -> int:
    return len(message.get("text") or message.get("bytes") or "")
