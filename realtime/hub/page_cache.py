"""Reads of the log that sockets share: a reconnect storm on one stream costs a read a page, not a read a socket."""

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
    """A page of the log as events that share their frames. Below the floor there are holes between them."""

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
    """The pages that were read a moment ago, within PAGE_CACHE_BYTES, and the reads under way. The sweep clears it, so
    nothing in it is older than SWEEP_INTERVAL."""

    def __init__(self) -> None:
        self._recent: dict[int, list[CachedPage]] = defaultdict(list)
        self._recent_bytes = 0
        self._reads: dict[int, dict[int, asyncio.Future[CachedPage | None]]] = defaultdict(dict)

    def clear(self) -> None:
        self._recent.clear()
        self._recent_bytes = 0

    async def read(self, stream_id: int, after: int, *, epoch: str, channel: str | None) -> CachedPage | None:
        """The events that follow `after`, with the stream as it stood; None where the stream is gone. A page that holds
        `after` + 1 may be shared; where there is none, the answer is of a read that began after this call."""
        for page in self._recent.get(stream_id, ()):
            if page.epoch == epoch and page.holds(after + 1):
                return page
        older = set(self._reads.get(stream_id, {}).values())
        tried: set[asyncio.Future[CachedPage | None]] = set()
        while under_way := self._read_under_way(stream_id, after, tried):
            start, read = under_way
            tried.add(read)
            page_or_none = await asyncio.shield(read)
            if (page_or_none and page_or_none.holds(after + 1)) or (start == after and read not in older):
                return page_or_none
        return await self._share(stream_id, after, channel)

    def _read_under_way(
        self, stream_id: int, after: int, tried: "set[asyncio.Future[CachedPage | None]]"
    ) -> "tuple[int, asyncio.Future[CachedPage | None]] | None":
        """One that may bring what follows `after`, and where it started."""
        for start, read in self._reads.get(stream_id, {}).items():
            if read not in tried and start <= after < start + limits.PAGE_EVENTS:
                return start, read
        return None

    async def read_each(self, stream_id: int, seqs: Sequence[int], *, channel: str | None) -> list[Event]:
        """The events with these numbers, or a beginning of them."""
        return [Event(seq, method, data, channel) for seq, method, data in await in_thread(read_each, stream_id, seqs)]

    async def _share(self, stream_id: int, after: int, channel: str | None) -> CachedPage | None:
        reads = self._reads[stream_id]
        read = asyncio.ensure_future(self._read(stream_id, after, channel))
        read.add_done_callback(lambda done: done.cancelled() or done.exception())  # all who wanted it may have gone
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
        events = [Event(seq, method, data, channel) for seq, method, data in page.events]
        return CachedPage(page.epoch, page.head, page.floor, after, events)
