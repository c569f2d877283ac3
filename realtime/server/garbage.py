"""Frees what large requests and responses leave behind.

Each page of Django is part of reference cycles, and so are its body and its content. They wait for the garbage
collector, which counts objects and not bytes: 50 answers of 2 MB are 100 MB in 10,000 objects.
"""

import asyncio
import gc
from typing import Final

BYTES: Final = 8 * 2**20  # between two collections; a short one takes some milliseconds


class GarbageByBytes:
    """Collects the young objects after every BYTES. All calls come from the thread of the event loop."""

    def __init__(self) -> None:
        self._bytes = 0

    def add(self, count: int) -> None:
        """Counts bytes that a client has sent, or was sent."""
        self._bytes += count
        if self._bytes >= BYTES:
            self._bytes = 0
            asyncio.get_running_loop().call_soon(gc.collect, 0)
