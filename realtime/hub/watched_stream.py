"""One stream as this process sees it: its subscriptions, what was handed to them, and how it is mended."""

import asyncio
import logging
from collections.abc import Sequence

from realtime import streams
from realtime.aio.single_flight import SingleFlight
from realtime.aio.tasks import detached
from realtime.conf import limits
from realtime.db import in_thread
from realtime.hub.fanout import Fanout
from realtime.hub.page_cache import PageCache
from realtime.hub.reorder_buffer import ReorderBuffer
from realtime.log.replay import newest_by_entity
from realtime.log.types import StreamPosition
from realtime.metrics import count
from realtime.publishing.after_commit import numbered_head
from realtime.subscription.state import After, Anew, Each
from realtime.subscription.subscription import SocketSubscription
from realtime.wire.event import Event
from realtime.wire.frames import answer_frame

logger = logging.getLogger(__name__)


class WatchedStream:
    """Made with the first local subscription, closed with the last."""

    def __init__(self, key: str, pages: PageCache) -> None:
        self.key = key
        self.channel = None if streams.is_notifications(key) else key
        self.subscriptions = Fanout()
        self.stream: StreamPosition | None = None  # as it stood when it was opened; id and epoch are used
        self.ordering: ReorderBuffer[Event] = ReorderBuffer(0)
        self._pages = pages
        self._head = SingleFlight(lambda: in_thread(numbered_head, key))
        self._mending: asyncio.Task[None] | None = None
        self._restarting: asyncio.Task[None] | None = None

    async def read_head(self) -> StreamPosition:
        """Where the stream stands in the log; it is made if need be. Raises what the database raises."""
        return await self._head.read()

    def on_head(self, stream: StreamPosition) -> None:
        """The log says where the stream stands."""
        if self.stream is None:
            self.stream = stream
            self._leave_to_subscriptions(stream.head)  # another may have read an earlier head, and begins there
        elif stream.id < self.stream.id:
            return  # read before the stream was made again
        elif (stream.id, stream.epoch) != (self.stream.id, self.stream.epoch):
            self.restart()
        else:
            self.stream = stream
            self.ordering.hear_of(stream.head)
        self._mend_soon()

    def is_current(self, stream: StreamPosition) -> bool:
        """Whether `stream`, as it was read a moment ago, is of the history that is being handed on."""
        if self.stream is None:
            return True
        return (stream.id, stream.epoch) == (self.stream.id, self.stream.epoch) and stream.head <= self.ordering.known

    def close(self) -> None:
        for task in (self._mending, self._restarting):
            if task:
                task.cancel()

    # In order, once

    def receive(self, epoch: str, last: int, events: Sequence[Event]) -> None:
        """Takes an announcement: events, or only the number of the last one."""
        if self.stream is not None and epoch != self.stream.epoch:
            self.restart()
            return
        if self.stream is None:
            self.ordering.hear_of(last)
            for subscription in self.subscriptions.each():
                subscription.lag(last)
            return
        self.subscriptions.hand_on(self.ordering.receive(events))
        self.ordering.hear_of(last)
        self._mend_soon(at_once=not events)

    # Mending

    def _mend_soon(self, at_once: bool = False) -> None:
        if self.stream is not None and self.ordering.has_gap and (self._mending is None or self._mending.done()):
            self._mending = detached(self._mend(0 if at_once else limits.GAP_WAIT))

    def mend(self, head: int) -> None:
        """The sweep has found the stream at `head`."""
        self.ordering.hear_of(head)
        self._mend_soon(at_once=True)

    async def _mend(self, wait: float) -> None:
        """Reads what is missing and hands it on. A hint that came too early is given `wait` seconds for its
        predecessors; a long gap is left to the subscriptions, which read it at their own pace and share the pages."""
        try:
            await asyncio.sleep(wait)
            while self.ordering.has_gap and self.stream is not None:
                if self.ordering.known - self.ordering.position > limits.PAGE_EVENTS:
                    self._leave_to_subscriptions(self.ordering.known)
                    return
                position, known = self.ordering.position, self.ordering.known
                page = await self._pages.read(self.stream.id, position, epoch=self.stream.epoch, channel=self.channel)
                if page is None or page.epoch != self.stream.epoch:
                    self.restart()
                elif page.holds(self.ordering.position + 1):
                    count("gaps_filled")
                    self.subscriptions.hand_on(self.ordering.receive(page.events))
                    continue
                elif self.ordering.position > position:
                    continue  # announcements have come meanwhile, and what is missing now is something else
                elif page.head < known:
                    self.restart()  # we know of events that are not there: the log is another one than it was
                else:  # pruned meanwhile: what is left of it, the subscriptions find out
                    self._leave_to_subscriptions(self.ordering.known)
                return
        except Exception as error:
            count("errors")
            logger.warning("%s could not be mended (%r); the sweep tries again", self.key, error)

    def _leave_to_subscriptions(self, head: int) -> None:
        self.ordering.jump(head)
        for subscription in self.subscriptions.each():
            subscription.lag(head)

    # What the subscriptions want from the log

    async def fill(self, subscription: SocketSubscription) -> None:
        """Reads what the subscription wants. Where that is gone, it gets a snapshot instead, and is told so."""
        wanted, stream = subscription.wanted, self.stream
        if stream is None or wanted is None:
            return
        if isinstance(wanted, Each):
            events = await self._pages.read_each(stream.id, wanted.seqs, channel=self.channel)
            if subscription.wanted == wanted:
                subscription.fill_snapshot(wanted, events)
        elif isinstance(wanted, After):
            page = await self._pages.read(stream.id, wanted.seq, epoch=stream.epoch, channel=self.channel)
            if subscription.wanted != wanted:
                return  # it was stopped or started again meanwhile
            if page is None or page.epoch != stream.epoch:
                self.restart()
            elif not subscription.fill(page.events):
                subscription.lose_history(subscription.heard)
        elif isinstance(wanted, Anew):
            await self._send_snapshot(subscription)

    def restart(self) -> None:
        """The stream has another history: whoever watches it gets a snapshot of that."""
        if self._restarting is None or self._restarting.done():
            self._restarting = detached(self._restart())

    async def _restart(self) -> None:
        try:
            stream = await self.read_head()
        except Exception as error:
            count("errors")
            logger.warning("%s could not be started again (%r); the sweep tries again", self.key, error)
            return
        former, self.stream = self.stream or stream, stream
        self.ordering = ReorderBuffer(stream.head)
        for subscription in self.subscriptions.each():
            if subscription.is_started:
                subscription.lose_history(self._last_heard(subscription.heard, former, stream))
            else:
                subscription.lag(stream.head)  # it may begin from an earlier head

    async def _send_snapshot(self, subscription: SocketSubscription) -> None:
        """Starts an open subscription again with the newest event of each entity. Where that fails, or the history has
        changed once more, it stays lost, and asks again."""
        stream = await self.read_head()
        self.on_head(stream)
        after = 0 if subscription.numbered else min(subscription.heard, stream.head)
        seqs, truncated = await in_thread(
            newest_by_entity, stream.id, after=after, head=stream.head, limit=subscription.snapshot_limit
        )
        if subscription.is_stopped or not self.is_current(stream):
            return
        count("snapshots_forced")
        if subscription.numbered:
            subscription.answer(snapshot_answer(subscription, stream, recovered=False, truncated=truncated))
        subscription.start_snapshot(seqs, stream.head)

    def _last_heard(self, cursor: int, former: StreamPosition, stream: StreamPosition) -> int:
        """Up to which number a client without numbers has had the events of `stream`. No notification is sent twice,
        since it would sound twice."""
        if stream.id != former.id:
            return 0  # it was made again, and all of it is new
        if stream.epoch != former.epoch:
            return stream.head if self.channel is None else 0
        return min(cursor, stream.head)


def snapshot_answer(
    subscription: SocketSubscription, stream: StreamPosition, *, recovered: bool, truncated: bool, id: str | None = None
) -> str:
    """The answer to a subscribe of a client that knows numbers."""
    data: dict[str, object] = {"epoch": stream.epoch, "head": stream.head, "recovered": recovered}
    if truncated:
        data["truncated"] = True
    return answer_frame(subscription.method, channel=subscription.key, data=data, id=id)
