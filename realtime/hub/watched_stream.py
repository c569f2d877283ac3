"""One stream in one process: its subscriptions, the events delivered to them, and the repair of gaps."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from realtime import streams
from realtime.aio.single_flight import SingleFlight
from realtime.aio.tasks import detached
from realtime.conf import limits
from realtime.db import in_thread
from realtime.hub.existence import still_exists
from realtime.hub.fanout import Fanout
from realtime.hub.page_cache import PageCache
from realtime.hub.reorder_buffer import ReorderBuffer
from realtime.hub.start import Start, prepare
from realtime.log import store
from realtime.log.types import StreamPosition
from realtime.metrics import count, observe
from realtime.publishing.after_commit import numbered_head
from realtime.subscription.start_position import FromSnapshot, start_position
from realtime.subscription.state import After, Anew, Each, State
from realtime.subscription.subscription import SocketSubscription
from realtime.wire.event import Event
from realtime.wire.requests import Subscribe

logger = logging.getLogger(__name__)


class WatchedStream:
    """Made with the first local subscription, closed with the last. `on_end` is called if it turns out to be gone.
    `restarts` is shared by all streams: a restored backup restarts all of them at once."""

    def __init__(
        self,
        key: str,
        pages: PageCache,
        *,
        restarts: asyncio.Semaphore,
        on_end: "Callable[[WatchedStream], None]",
    ) -> None:
        self.key = key
        self.channel = None if streams.is_notifications(key) else key  # as the frames of its events say it
        self.subscriptions = Fanout()
        self.stream: StreamPosition | None = None  # as read last, for its id and epoch; None before the first read
        self.ordering: ReorderBuffer[Event] = ReorderBuffer(0)
        self._pages, self._restarts, self._on_end = pages, restarts, on_end
        self._numbered_head = SingleFlight(lambda: in_thread(numbered_head, key))
        self._head = SingleFlight(lambda: in_thread(store.read_head, key))
        self._filling_gap: asyncio.Task[None] | None = None
        self._restarting: asyncio.Task[None] | None = None

    async def read_head(self) -> StreamPosition:
        """Where the stream stands in the log. A stream that does not exist is made, so the caller must know that what
        it tells of exists. Raises what the database raises."""
        return await self._numbered_head.read()

    def on_head(self, stream: StreamPosition) -> None:
        """The log says where the stream stands."""
        if self.stream is None:
            self.stream = stream
            self._leave_to_subscriptions(stream.head)  # one that has read an earlier head starts there
        elif (stream.id, stream.epoch) != (self.stream.id, self.stream.epoch):
            self.restart()
        else:
            self.stream = stream
            self.ordering.note_exists(stream.head)
        self._fill_gap_soon()

    def is_current(self, stream: StreamPosition) -> bool:
        """Whether `stream`, as it was read a moment ago, is of the history that is being delivered."""
        if self.stream is None:
            return True
        return (stream.id, stream.epoch) == (self.stream.id, self.stream.epoch) and stream.head <= self.ordering.known

    def close(self) -> None:
        for task in (self._filling_gap, self._restarting):
            if task:
                task.cancel()

    # Announcements

    def receive(self, epoch: str, last: int, events: Sequence[Event]) -> None:
        """Takes an announcement: its events, or only the number of the last one."""
        if self.stream is not None and epoch != self.stream.epoch:
            self.restart()
            return
        if self.stream is None:
            self.ordering.note_exists(last)
            for subscription in self.subscriptions.each():
                subscription.note_head(last)
            return
        if last <= self.ordering.position:
            self.restart()  # it comes late or twice, or the log was restored and gives its numbers again
            return
        self._deliver(self.ordering.receive(events), "announced")
        self.ordering.note_exists(last)
        self._fill_gap_soon(at_once=not events)

    def _deliver(self, events: Sequence[Event], way: str) -> None:
        self.subscriptions.deliver(events)
        now = time.time()
        for event in events:
            if event.at is not None:
                observe("delivery_lag", max(now - event.at, 0.0), way)  # below 0: the clocks of two hosts differ

    # Repair

    def repair(self, head: int) -> None:
        """The sweep has found the stream at `head`."""
        self.ordering.note_exists(head)
        self._fill_gap_soon(at_once=True)

    def _fill_gap_soon(self, at_once: bool = False) -> None:
        if self.stream is None or not self.ordering.has_gap:
            return
        if self._filling_gap is None or self._filling_gap.done():
            self._filling_gap = detached(self._fill_gap(0 if at_once else limits.GAP_WAIT))

    async def _fill_gap(self, wait: float) -> None:
        """Reads the missing events and delivers them. It first waits `wait` seconds for announcements that may still
        arrive. A gap longer than a page is left to the subscriptions: each reads at its own pace, and they share the
        pages."""
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
                    self._deliver(self.ordering.receive(page.events), "repaired")
                    continue
                elif self.ordering.position > position:
                    continue  # announcements have come meanwhile, and other events are missing now
                elif page.head < known:
                    self.restart()  # known events are not in the log: it is another log
                else:  # the missing events have been pruned: each subscription finds out what it needs
                    self._leave_to_subscriptions(self.ordering.known)
                return
        except Exception as error:
            count("errors")
            logger.warning("A gap of %s could not be filled (%r); the sweep tries again", self.key, error)

    def _leave_to_subscriptions(self, head: int) -> None:
        self.ordering.skip_to(head)
        for subscription in self.subscriptions.each():
            subscription.note_head(head)

    # The start of a subscription

    async def prepare_start(
        self, subscription: SocketSubscription, options: Subscribe, stream: StreamPosition
    ) -> Start | None:
        """Prepares the start that a subscribe with these options gets. `stream` is as it was read after the
        registration. Returns None if the stream has ended. Raises what the database raises."""
        while True:
            start = await prepare(subscription, stream, start_position(options, stream))
            if subscription.is_stopped:
                return None
            if self.is_current(stream):
                return start
            stream = await self.read_head()  # another history has begun meanwhile
            if subscription.is_stopped:
                return None
            self.on_head(stream)
            await self._restarted()

    async def _restart_subscription(self, subscription: SocketSubscription) -> None:
        """Starts an invalidated subscription with a snapshot. If that fails, or the history has changed again, the
        subscription stays invalidated and asks again."""
        stream, _ = await self._head.read()
        if stream is None:
            self.restart()
            await self._restarted()
            return
        self.on_head(stream)
        after = 0 if subscription.numbered else min(subscription.delivered_seq, stream.head)
        start = await prepare(subscription, stream, FromSnapshot(after, recovered=False))
        if subscription.is_stopped or not self.is_current(stream):
            return
        count("snapshots_forced")
        if subscription.numbered:
            subscription.answer(start.answer())
        start.begin()

    # Reads for a subscription

    async def fill(self, subscription: SocketSubscription) -> None:
        """Reads what the subscription wants. If that is gone, the subscription is invalidated. Raises what the database
        raises."""
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
                await self._restarted()
            elif not subscription.fill(page.events):
                subscription.invalidate(subscription.delivered_seq)
        elif isinstance(wanted, Anew):
            await self._restart_subscription(subscription)

    # Another history

    def restart(self) -> None:
        """The stream may have another history. If it has, each subscription is invalidated, and gets a snapshot of the
        new history. If the stream is gone, it ends."""
        if self._restarting is None or self._restarting.done():
            self._restarting = detached(self._restart())

    async def _restarted(self) -> None:
        """Returns when no restart runs. The caller would read the log without a pause otherwise."""
        if self._restarting:
            await asyncio.wait({self._restarting})

    async def _restart(self) -> None:
        try:
            async with self._restarts:
                known = self.ordering.known
                stream, _ = await self._head.read()
                is_removed = stream is None or (self.stream is not None and stream.id != self.stream.id)
                # Notifications never end.
                if is_removed and self.channel is not None and not await still_exists(self.subscriptions):
                    stream = None
                elif stream is None:
                    stream = await self.read_head()
        except Exception as error:
            count("errors")
            logger.warning("%s could not be restarted (%r); the sweep tries again", self.key, error)
            return
        if stream is None:
            self._on_end(self)
        elif self.stream and stream[:2] == self.stream[:2] and stream.head >= known:
            self.on_head(stream)  # it is the same history: an older read or announcement has raised doubts
        else:
            self._begin_history(stream)

    def _begin_history(self, stream: StreamPosition) -> None:
        count("streams_restarted")
        former, self.stream = self.stream or stream, stream
        self.ordering = ReorderBuffer(stream.head)
        for subscription in self.subscriptions.each():
            if subscription.state is State.REGISTERED:
                subscription.note_head(stream.head)  # it may start from an earlier head
            else:
                subscription.invalidate(self._delivered_of(stream, former, subscription.delivered_seq))

    def _delivered_of(self, stream: StreamPosition, former: StreamPosition, delivered_seq: int) -> int:
        """Up to which number of `stream` a client without numbers has the events, given what it has of `former`. A
        notification is not sent twice, since the client would alert its user twice."""
        if self.channel is not None or stream.id != former.id:
            return 0  # the present state; or the stream was made again, and all its events are new
        if stream.epoch != former.epoch:
            return stream.head
        return min(delivered_seq, stream.head)
