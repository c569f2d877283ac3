"""WebSocket frames that were built a moment ago. A server masks nothing, so the bytes that were built for one socket
serve all that are sent the same text: those that watch a stream, and those that come back to it and get the same page.

Pure: no Django, no I/O.
"""

from collections.abc import Callable
from typing import Final

Content = str | bytes

MOST_BYTES: Final = 1_000_000


class FrameCache:
    """Of at most MOST_BYTES together, but for the newest one. A text is known by its identity: to compare it would cost
    what is to be saved."""

    def __init__(self, build: Callable[[Content], bytes]) -> None:
        self._build = build
        self._by_id: dict[int, tuple[Content, bytes]] = {}
        self._bytes = 0

    def of(self, content: Content) -> bytes:
        """The frame of this very object."""
        built = self._by_id.get(id(content))
        if built is not None and built[0] is content:
            return built[1]
        frame = self._build(content)
        self._bytes += len(frame)
        if self._bytes > MOST_BYTES:
            self._by_id.clear()
            self._bytes = len(frame)
        self._by_id[id(content)] = content, frame  # which also keeps its id from being another's
        return frame
