"""Pages of the log that sockets share: many reconnects to one stream cost one read per page, not one per socket."""

import asyncio
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from realtime.conf import limits
from realtime.db import in_thread
from realtime.log.replay import read_after, read_each
from realtime.wire.event import Event


class CachedPage(NamedTuple):
    """A page of the log, as events that share their frames. Below the floor, pruned events are missing between them."""

    epoch: str
    head: int
    floor: int
    after: int
    events: Sequence[Event]

    def holds(self, seq: int) -> bool:
        """Whether the event with this number is in it."""
        index = bisect_left(self.events, seq, key=lambda event: event.seq)
        return index < len(self.events) and self.events[index].seq == seq


class PageCache:
    """Recent pages, up to PAGE_CACHE_BYTES, and the running reads. The sweep clears it, so that no page is older than
    SWEEP_INTERVAL."""

    def __init__(self) -> None:
        self._recent: dict[int, list[CachedPage]] = defaultdict(list)
        self._recent_bytes = 0
        self._reads: dict[int, dict[int, asyncio.Future[CachedPage | None]]] = defaultdict(dict)

    def clear(self) -> None:
        self._recent.clear()
        self._recent_bytes = 0

    async def read(self, stream_id: int, after: int, *, epoch: str, channel: str | None) -> CachedPage | None:
        """The events that follow `after`, with the position of the stream at that time. None if the stream is gone. A
        page that holds `after` + 1 may be older than this call. Any other answer is of a read that began after it."""
        for page in self._recent.get(stream_id, ()):
            if page.epoch == epoch and page.holds(after + 1):
                return page
        older = set(self._reads.get(stream_id, {}).values())
        tried: set[asyncio.Future[CachedPage | None]] = set()
        while running := self._running_read(stream_id, after, tried):
            start, read = running
            tried.add(read)
            page_or_none = await asyncio.shield(read)
            if (page_or_none and page_or_none.holds(after + 1)) or (start == after and read not in older):
                return page_or_none
        return await self._share(stream_id, after, channel)

    def _running_read(
        self, stream_id: int, after: int, tried: "set[asyncio.Future[CachedPage | None]]"
    ) -> "tuple[int, asyncio.Future[CachedPage | None]] | None":
        """A running read that may return what follows `after`, and its start."""
        for start, read in self._reads.get(stream_id, {}).items():
            if read not in tried and start <= after < start + limits.PAGE_EVENTS:
                return start, read
        return None

    async def read_each(self, stream_id: int, seqs: Sequence[int], *, channel: str | None) -> list[Event]:
        """The events with these numbers, or the first of them."""
        events = await in_thread(read_each, stream_id, seqs)
        return [Event(seq, method, data, channel, id=id) for seq, method, data, id in events]

    async def _share(self, stream_id: int, after: int, channel: str | None) -> CachedPage | None:
        reads = self._reads[stream_id]
        read = asyncio.ensure_future(self._read(stream_id, after, channel))
        # Marks the exception as seen: all waiters may be gone.
        read.add_done_callback(lambda done: done.cancelled() or done.exception())
        reads[after] = read
        try:
            page = await asyncio.shield(read)
        finally:
            if reads.get(after) is read:
                del reads[after]
            if not reads:
                self._reads.pop(stream_id, None)
        if page and page.events:
            self._recent_bytes += sum(event.size for event in page.events)
            if self._recent_bytes > limits.PAGE_CACHE_BYTES:
                self.clear()
            else:
                self._recent[stream_id].append(page)
        return page

    async def _read(self, stream_id: int, after: int, channel: str | None) -> CachedPage | None:
        page = await in_thread(read_after, stream_id, after)
        if page is None:
            return None
        at = page.recorded_at
        events = [Event(seq, method, data, channel, id=id, at=at.get(seq)) for seq, method, data, id in page.events]
        return CachedPage(page.epoch, page.head, page.floor, after, events)
