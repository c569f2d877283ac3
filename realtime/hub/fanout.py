"""The subscriptions of one stream, and how an event gets to all of them.

Nearly always all of them have had the same events, and nothing is before the next one. These are *in step*: an event is
given to their sockets' writers, and the numbers that each subscription keeps are left as they are, since they would all
be the same. Most of what a frame costs is memory that each socket has for itself and that no cache holds. Whoever asks
for the subscriptions gets them with their numbers.
"""

from collections.abc import Sequence

from realtime.aio.eager import between_tasks
from realtime.metrics import count
from realtime.subscription.subscription import Sender, SocketSubscription
from realtime.wire.event import Event


class Fanout:
    """`hand_on` is the stream's; whatever else is done with a subscription once it has started, is done with those of
    `each`, or after `discard`."""

    def __init__(self) -> None:
        # In the order in which they came, which is mostly that of their memory: a set would go through it at random.
        self._all: dict[SocketSubscription, None] = {}
        self._apart: dict[SocketSubscription, None] = {}
        self._in_step: dict[bool, dict[Sender, SocketSubscription]] = {True: {}, False: {}}  # with numbers, and without
        self._level = 0  # the last event that those in step have had

    def __len__(self) -> int:
        return len(self._all)

    def add(self, subscription: SocketSubscription) -> None:
        """From now on it is offered what is handed on."""
        self._all[subscription] = self._apart[subscription] = None

    def discard(self, subscription: SocketSubscription) -> None:
        """It gets nothing more."""
        self._all.pop(subscription, None)
        self._apart.pop(subscription, None)
        in_step = self._in_step[subscription.numbered]
        if in_step.get(subscription.writer) is subscription:
            del in_step[subscription.writer]

    def each(self) -> list[SocketSubscription]:
        """All of them, in the order in which they came, with their numbers."""
        self._break_step()
        return list(self._all)

    def hand_on(self, events: Sequence[Event]) -> None:
        """Offers the stream's next events to all."""
        with between_tasks():
            if len(events) == 1:
                self._hand_on_one(events[0])
            elif events:
                for subscription in self.each():
                    if behind := subscription.offer_together(events):
                        count("subscriptions_behind", behind)

    def _hand_on_one(self, event: Event) -> None:
        if event.seq != self._level + 1:
            self._break_step()
        for numbered, in_step in self._in_step.items():
            if in_step and (frame := event.frame_for(numbered)) is not None:
                for writer in [writer for writer in in_step if not writer.send_now(frame)]:
                    self._step_out(in_step.pop(writer))
        self._level = event.seq
        for subscription in list(self._apart):
            if not subscription.offer(event):
                count("subscriptions_behind")
            elif subscription.is_level and subscription.tail == event.seq:  # it may have read ahead
                self._step_in(subscription)

    def _step_in(self, subscription: SocketSubscription) -> None:
        in_step = self._in_step[subscription.numbered]
        if subscription.writer not in in_step:  # else one that is about to be discarded has its place
            del self._apart[subscription]
            in_step[subscription.writer] = subscription

    def _break_step(self) -> None:
        for in_step in self._in_step.values():
            for subscription in in_step.values():
                self._step_out(subscription)
            in_step.clear()

    def _step_out(self, subscription: SocketSubscription) -> None:
        subscription.pass_to(self._level)
        self._apart[subscription] = None
