"""Caches the newest WebSocket frames. A server does not mask, so one frame serves all sockets that get the same text:
the watchers of a stream, and clients that come back to it and get the same page.

Pure: no Django, no I/O.
"""

from collections.abc import Callable
from typing import Final

Content = str | bytes

MAX_BYTES: Final = 1_000_000
"""The size of all frames together. A single larger frame is kept alone."""


class FrameCache:
    """Frames by the identity of their content. A comparison of texts costs as much as the cache saves."""

    def __init__(self, build: Callable[[Content], bytes]) -> None:
        self._build = build
        self._by_id: dict[int, tuple[Content, bytes]] = {}
        self._bytes = 0

    def get_frame(self, content: Content) -> bytes:
        """The frame of this object, built if it is not in the cache."""
        built = self._by_id.get(id(content))
        if built is not None and built[0] is content:
            return built[1]
        frame = self._build(content)
        self._bytes += len(frame)
        if self._bytes > MAX_BYTES:
            self._by_id.clear()
            self._bytes = len(frame)
        self._by_id[id(content)] = content, frame  # the reference to the content keeps its id from being reused
        return frame
