"""The subscriptions of one stream, and the delivery of an event to all of them.

Nearly always all subscriptions have the same events, and nothing is before the next one. These are *synced*: an event
goes straight to the writers of their sockets. The numbers that each subscription keeps are not updated, since all would
be the same. The reason: most of the cost of a frame is access to memory that each socket has for itself, which no CPU
cache holds. `each` brings the numbers up to date before it returns the subscriptions. All others are *lagging*: each is
offered the event.
"""

from collections.abc import Sequence

from realtime.aio.eager import between_tasks
from realtime.metrics import count, sent
from realtime.subscription.subscription import Sender, SocketSubscription
from realtime.wire.event import Event


class Fanout:
    """Only `deliver` may use a started subscription directly. All other code uses those of `each`, or a subscription
    after its `discard`."""

    def __init__(self) -> None:
        # Dicts keep the order of arrival, which is mostly that of the memory. A set would visit it at random.
        self._all: dict[SocketSubscription, None] = {}
        self._lagging: dict[SocketSubscription, None] = {}
        self._synced: dict[bool, dict[Sender, SocketSubscription]] = {True: {}, False: {}}  # with numbers, and without
        self._synced_seq = 0  # the last event that the synced ones have

    def __len__(self) -> int:
        return len(self._all)

    def add(self, subscription: SocketSubscription) -> None:
        """From now on events are delivered to it."""
        self._all[subscription] = self._lagging[subscription] = None

    def discard(self, subscription: SocketSubscription) -> None:
        """No event is delivered to it any more."""
        self._all.pop(subscription, None)
        self._lagging.pop(subscription, None)
        synced = self._synced[subscription.numbered]
        if synced.get(subscription.writer) is subscription:
            del synced[subscription.writer]

    def each(self) -> list[SocketSubscription]:
        """All subscriptions in the order of their arrival, with their numbers up to date."""
        self._mark_all_lagging()
        return list(self._all)

    def deliver(self, events: Sequence[Event]) -> None:
        """Gives the stream's next events to all subscriptions."""
        with between_tasks():
            if len(events) == 1:
                self._deliver_one(events[0])
            elif events:
                for subscription in self.each():
                    if behind := subscription.offer_together(events):
                        count("subscriptions_behind", behind)

    def _deliver_one(self, event: Event) -> None:
        if event.seq != self._synced_seq + 1:
            self._mark_all_lagging()
        for numbered, synced in self._synced.items():
            if synced and (frame := event.frame_for(numbered)) is not None:
                for writer in [writer for writer in synced if not writer.send_now(frame)]:
                    self._mark_lagging(synced.pop(writer))
                sent.add(frame, len(synced))
        self._synced_seq = event.seq
        for subscription in list(self._lagging):
            if not subscription.offer(event):
                count("subscriptions_behind")
            elif subscription.is_synced and subscription.tail == event.seq:  # it may have read ahead
                self._mark_synced(subscription)

    def _mark_synced(self, subscription: SocketSubscription) -> None:
        synced = self._synced[subscription.numbered]
        if subscription.writer not in synced:  # otherwise a subscription that is about to be discarded has this place
            del self._lagging[subscription]
            synced[subscription.writer] = subscription

    def _mark_all_lagging(self) -> None:
        for synced in self._synced.values():
            for subscription in synced.values():
                self._mark_lagging(subscription)
            synced.clear()

    def _mark_lagging(self, subscription: SocketSubscription) -> None:
        subscription.advance_to(self._synced_seq)
        self._lagging[subscription] = None
