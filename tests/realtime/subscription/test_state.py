"""The delivery rules: every event is sent once and in order, or the gap is refused openly. Events may be lost, doubled,
reordered and pruned, and subscriptions may start again."""

from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from realtime.subscription.state import After, Anew, Each, Subscription


@dataclass(frozen=True)
class Event:
    seq: int
    size: int = 10


def subscription(max_events: int = 3, max_bytes: int = 1_000) -> Subscription[Event]:
    return Subscription("k", numbered=True, max_events=max_events, max_bytes=max_bytes)


def started(cursor: int = 0, head: int = 0, **limits: int) -> Subscription[Event]:
    live = subscription(**limits)
    live.start(cursor, head)
    return live


def taken(live: Subscription[Event]) -> list[int]:
    sent = []
    while event := live.take():
        sent.append(event.seq)
    return sent


def test_the_next_event_is_sent_and_a_sent_one_is_skipped() -> None:
    live = started(5, 5)
    live.offer(Event(6))
    live.offer(Event(6))
    live.offer(Event(4))
    assert taken(live) == [6]
    assert live.delivered_seq == 6
    assert not live.has_work


def test_a_gap_is_read_from_the_log() -> None:
    live = started()
    live.offer(Event(3))
    assert live.take() is None
    assert live.wanted == After(0)
    assert live.fill([Event(1), Event(2), Event(3)])
    assert taken(live) == [1, 2, 3]
    assert live.wanted is None


def test_a_full_buffer_is_dropped_and_read_again_later() -> None:
    live = started(max_events=2)
    assert live.offer(Event(1))
    assert live.offer(Event(2))
    assert not live.offer(Event(3))
    assert live.wanted == After(0)
    assert live.fill([Event(1), Event(2), Event(3)])
    assert taken(live) == [1, 2]
    assert live.wanted == After(2)


def test_a_buffer_that_is_full_by_its_bytes_still_takes_one_event() -> None:
    live = started(max_bytes=5)
    assert live.offer(Event(1, size=100))
    assert not live.offer(Event(2, size=1))


def test_events_between_the_registration_and_the_start_are_not_lost() -> None:
    live = subscription()
    live.offer(Event(8))
    assert live.take() is None
    live.start(7, 7)
    assert live.wanted == After(7)


def test_a_gap_that_the_log_cannot_fill_is_refused() -> None:
    live = started(0, 9)
    assert live.wanted == After(0)
    assert not live.fill([Event(5), Event(6)])
    assert live.take() is None


def test_a_snapshot_is_sent_before_live_events() -> None:
    live = subscription(max_events=5)
    live.start_snapshot([2, 5, 9], head=9)
    live.offer(Event(10))
    assert live.wanted == Each([2, 5, 9])
    live.fill_snapshot(Each([2, 5, 9]), [Event(2), Event(5), Event(9)])
    live.offer(Event(10))
    assert taken(live) == [2, 5, 9, 10]


def test_a_full_buffer_keeps_the_events_of_a_snapshot() -> None:
    live = subscription(max_events=2)
    live.start_snapshot([2, 9], head=9)
    live.fill_snapshot(Each([2, 9]), [Event(2), Event(9)])
    live.offer(Event(10))
    assert taken(live) == [2, 9]
    assert live.wanted == After(9)


def test_a_pruned_event_of_a_snapshot_is_left_out() -> None:
    live = subscription()
    live.start_snapshot([2, 9], head=9)
    live.fill_snapshot(Each([2, 9]), [])
    assert not live.has_work


def test_a_page_fills_the_buffer_and_the_rest_is_wanted_again() -> None:
    live = started(0, 9, max_events=3)
    assert live.fill([Event(seq) for seq in range(1, 10)])
    assert taken(live) == [1, 2, 3]
    assert live.wanted == After(3)
    large = started(0, 3, max_bytes=10)
    assert large.fill([Event(1, size=8), Event(2, size=8), Event(3, size=8)])
    assert taken(large) == [1]
    assert large.wanted == After(1)


def test_a_snapshot_fills_the_buffer_and_the_rest_is_wanted_again() -> None:
    live = subscription(max_bytes=10)
    live.start_snapshot([2, 5, 9], 9)
    live.fill_snapshot(Each([2, 5, 9]), [Event(2, size=8), Event(5, size=8), Event(9, size=8)])
    assert taken(live) == [2]
    assert live.wanted == Each([5, 9])


def test_an_invalidated_subscription_takes_no_event_and_wants_a_snapshot_until_its_next_start() -> None:
    live = started(3, 3)
    live.offer(Event(4))
    live.invalidate(live.delivered_seq)
    for seq in (2, 3, 4):
        live.offer(Event(seq))
    assert live.take() is None
    assert live.has_work
    assert live.wanted == Anew()
    live.start_snapshot([1], head=1)
    live.fill_snapshot(Each([1]), [Event(1)])
    assert taken(live) == [1]
    assert live.wanted == After(1)


def test_a_paused_subscription_sends_nothing_and_goes_on_without_a_loss() -> None:
    live = started()
    live.offer(Event(1))
    live.pause()
    live.offer(Event(2))
    assert (taken(live), live.wanted, live.has_work, live.is_synced) == ([], None, False, False)
    live.resume()
    assert taken(live) == [1]
    assert live.wanted == After(1)
    assert live.fill([Event(2)])
    assert taken(live) == [2]
    assert live.is_synced


def test_what_happens_to_a_paused_subscription_takes_effect_with_its_resume() -> None:
    live = subscription()
    live.pause()
    live.start(0, 3)
    assert not live.has_work
    live.resume()
    assert live.wanted == After(0)
    live.pause()
    live.invalidate(0)
    assert live.wanted is None
    live.resume()
    assert live.wanted == Anew()
    live.pause()
    live.stop()
    live.resume()
    assert live.is_stopped


def test_a_stopped_subscription_sends_nothing() -> None:
    live = started()
    live.offer(Event(1))
    live.stop()
    live.offer(Event(2))
    assert live.take() is None
    assert live.wanted is None


@dataclass
class Log:
    """The database of the state machine below: numbers up to `head`, those up to `floor` pruned."""

    head: int = 0
    floor: int = 0
    announced: list[int] = field(default_factory=list)


class Delivery(RuleBasedStateMachine):
    """Announcements in any order, any number of times or never; reads, prunes and resumes at any time."""

    @initialize(head=st.integers(0, 5), max_events=st.integers(1, 4), max_bytes=st.integers(1, 40))
    def connect(self, head: int, max_events: int, max_bytes: int) -> None:
        self.log = Log(head=head)
        self.live = started(head, head, max_events=max_events, max_bytes=max_bytes)
        self.bound = max_events
        self.expected = head + 1

    @rule(count=st.integers(1, 6))
    def commit(self, count: int) -> None:
        self.log.announced += range(self.log.head + 1, self.log.head + count + 1)
        self.log.head += count

    @precondition(lambda self: self.log.announced)
    @rule(data=st.data(), again=st.booleans())
    def announce(self, data: st.DataObject, again: bool) -> None:
        seq = data.draw(st.sampled_from(self.log.announced))
        if not again:
            self.log.announced.remove(seq)
        self.live.offer(Event(seq))

    @precondition(lambda self: self.log.announced)
    @rule()
    def lose_all_announcements(self) -> None:
        self.log.announced.clear()

    @rule()
    def sweep(self) -> None:
        self.live.note_head(self.log.head)

    @rule(count=st.integers(1, 4))
    def send(self, count: int) -> None:
        for _ in range(count):
            self._send_one()

    def _send_one(self) -> None:
        event = self.live.take()
        if event:
            assert event.seq == self.expected, "sent once, in order"
            self.expected += 1

    @precondition(lambda self: isinstance(self.live.wanted, After))
    @rule(page=st.integers(1, 4))
    def read(self, page: int) -> None:
        wanted = self.live.wanted
        assert isinstance(wanted, After)
        first = max(wanted.seq, self.log.floor) + 1
        events = [Event(seq) for seq in range(first, min(wanted.seq + page, self.log.head) + 1)]
        if not self.live.fill(events):
            assert wanted.seq < self.log.floor, "refused only where the log has a hole"
            self.live.invalidate(self.live.delivered_seq)
            assert self.live.wanted == Anew()
            self.live.start_snapshot([], self.log.head)
            self.expected = self.log.head + 1

    @rule(upto=st.integers(0, 10))
    def prune(self, upto: int) -> None:
        self.log.floor = max(self.log.floor, min(upto, self.log.head))

    @rule(back=st.integers(0, 3))
    def reconnect(self, back: int) -> None:
        cursor = max(self.log.floor, self.live.delivered_seq - back)
        self.live.stop()
        self.live = started(cursor, self.log.head, max_events=self.bound, max_bytes=1_000)
        self.expected = cursor + 1

    @invariant()
    def the_buffer_is_bounded(self) -> None:
        if hasattr(self, "live"):
            assert len(self.live._buffer) <= self.bound + 4

    def teardown(self) -> None:
        """At the end everything has arrived."""
        if not hasattr(self, "live"):
            return
        self.sweep()
        while self.live.has_work:
            self._send_one()
            if isinstance(self.live.wanted, After):
                self.read(4)
        assert self.live.delivered_seq == self.log.head


TestDelivery = Delivery.TestCase
