"""Every subscription of a stream gets every event once and in order, synced or lagging."""

import asyncio
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from realtime.hub.fanout import Fanout
from realtime.metrics import counts
from realtime.subscription.subscription import SocketSubscription
from realtime.wire.event import Event
from tests.realtime.subscriptions import new_subscription

ADDED = "notification_read"


class Socket:
    """Takes frames at once while it is open. `catch_up` takes the waiting events, and reads the log if needed."""

    def __init__(self) -> None:
        self.frames: list[str] = []
        self.is_open = True
        self.wakes = 0

    def subscribe(self, *, numbered: bool = True, cursor: int = 0) -> SocketSubscription:
        subscription = new_subscription(self, **({"replay": "none"} if numbered else {}))
        subscription.start(cursor, cursor)
        return subscription

    def send_now(self, frame: str) -> bool:
        if self.is_open:
            self.frames.append(frame)
        return self.is_open

    def catch_up(self, subscription: SocketSubscription, log: Sequence[Event]) -> None:
        self.is_open = True
        while subscription.has_work:
            if event := subscription.take():
                self.frames += [frame] if (frame := subscription.frame_of(event)) is not None else []
            elif wanted := subscription.wanted:
                assert subscription.fill(log[wanted.seq :])

    def ready(self, subscription: SocketSubscription) -> None:
        self.wakes += 1

    def answer(self, frame: str) -> None:
        raise AssertionError("these tests send no request")

    def hold(self) -> None:
        pass

    def release(self) -> None:
        pass


def event(seq: int, method: str = "notification") -> Event:
    return Event(seq, method, f'"event {seq}"', None)


def fanout_of(*subscriptions: SocketSubscription) -> Fanout:
    fanout = Fanout()
    for subscription in subscriptions:
        fanout.add(subscription)
    return fanout


def expected(events: Sequence[Event], numbered: bool) -> list[str]:
    return [each.numbered_frame if numbered else each.frame for each in events if numbered or not each.is_numbered_only]


async def test_synced_subscriptions_get_each_event_in_their_own_form() -> None:
    one, other = Socket(), Socket()
    fanout = fanout_of(one.subscribe(), other.subscribe(numbered=False))
    events = [event(1), event(2), event(3, ADDED), event(4)]
    for each in events:
        fanout.deliver([each])
    assert one.frames == expected(events, numbered=True)
    assert other.frames == expected(events, numbered=False)
    assert [each.delivered_seq for each in fanout.each()] == [4, 4]


async def test_a_subscription_that_cannot_send_lags_and_is_synced_later() -> None:
    slow, quick = Socket(), Socket()
    behind = slow.subscribe()
    fanout = fanout_of(behind, quick.subscribe())
    log = [event(seq) for seq in range(1, 7)]
    fanout.deliver([log[0]])
    fanout.deliver([log[1]])
    slow.is_open = False
    fanout.deliver([log[2]])
    fanout.deliver([log[3]])
    assert (len(slow.frames), len(quick.frames)) == (2, 4)
    assert (behind.delivered_seq, behind.tail) == (2, 4)
    slow.catch_up(behind, log)
    fanout.deliver([log[4]])
    wakes = slow.wakes
    fanout.deliver([log[5]])
    assert slow.frames == quick.frames == expected(log, numbered=True)
    assert slow.wakes == wakes


async def test_the_events_of_one_announcement_reach_synced_subscriptions() -> None:
    socket = Socket()
    fanout = fanout_of(socket.subscribe())
    log = [event(seq) for seq in range(1, 7)]
    for delivered in (log[:1], log[1:2], log[2:5], [], log[5:]):
        fanout.deliver(delivered)
    assert socket.frames == expected(log, numbered=True)


async def test_a_discarded_subscription_gets_no_more_events() -> None:
    staying, leaving = Socket(), Socket()
    subscription = leaving.subscribe()
    fanout = fanout_of(staying.subscribe(), subscription)
    for seq in (1, 2):
        fanout.deliver([event(seq)])
    fanout.discard(subscription)
    fanout.deliver([event(3)])
    assert (len(staying.frames), len(leaving.frames), len(fanout)) == (3, 2, 1)
    fanout.discard(subscription)  # a second discard does nothing


async def test_a_paused_subscription_gets_no_event_until_it_goes_on() -> None:
    log = [event(seq) for seq in range(1, 5)]
    socket, other = Socket(), Socket()
    paused, goes_on = socket.subscribe(), other.subscribe()
    fanout = fanout_of(paused, goes_on)
    fanout.deliver(log[:1])
    fanout.pause(paused)
    fanout.deliver(log[1:2])
    fanout.deliver(log[2:3])
    assert socket.frames == expected(log[:1], numbered=True)
    assert other.frames == expected(log[:3], numbered=True)
    paused.resume()
    socket.catch_up(paused, log[:3])
    fanout.deliver(log[3:])
    assert socket.frames == other.frames == expected(log, numbered=True)


async def test_a_subscription_that_has_not_started_knows_of_new_events() -> None:
    socket = Socket()
    subscription = new_subscription(socket, replay="none")
    fanout = fanout_of(subscription)
    for seq in (1, 2):
        fanout.deliver([event(seq)])
    subscription.start(0, 0)
    socket.catch_up(subscription, [event(1), event(2)])
    fanout.deliver([event(3)])
    assert socket.frames == expected([event(1), event(2), event(3)], numbered=True)


async def test_a_synced_subscription_skips_no_event() -> None:
    """A stream delivers without a gap. If it did not, the log would be read."""
    socket = Socket()
    subscription = socket.subscribe()
    fanout = fanout_of(subscription)
    log = [event(seq) for seq in range(1, 5)]
    for each in (log[0], log[1], log[3]):
        fanout.deliver([each])
    assert len(socket.frames) == 2
    socket.catch_up(subscription, log)
    assert socket.frames == expected(log, numbered=True)


async def test_two_subscriptions_of_one_socket_do_not_disturb_each_other() -> None:
    socket = Socket()
    former, new = socket.subscribe(), socket.subscribe()
    fanout = fanout_of(former, new)
    for seq in (1, 2):
        fanout.deliver([event(seq)])
    fanout.discard(former)
    for seq in (3, 4):
        fanout.deliver([event(seq)])
    assert [socket.frames.count(event(seq).numbered_frame) for seq in (1, 2, 3, 4)] == [2, 2, 1, 1]


async def test_a_full_buffer_is_counted(settings: Settings) -> None:
    settings.REALTIME = {"BUFFER_EVENTS": 2}
    socket = Socket()
    fanout = fanout_of(socket.subscribe())
    fanout.deliver([event(1)])
    socket.is_open = False
    before = counts().get("subscriptions_behind", 0)
    for seq in (2, 3, 4):
        fanout.deliver([event(seq)])
    assert counts()["subscriptions_behind"] == before + 1


async def test_a_subscription_that_has_read_ahead_is_synced_only_at_the_same_number() -> None:
    ahead = Socket()
    fanout = fanout_of(ahead.subscribe(cursor=3))
    log = [event(seq) for seq in range(1, 6)]
    for each in log:
        fanout.deliver([each])
    assert ahead.frames == expected(log[3:], numbered=True)


actions = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.lists(st.sampled_from(["notification", ADDED]), min_size=1, max_size=4)),
        st.tuples(st.just("deliver"), st.integers(1, 3)),
        st.tuples(st.just("join"), st.booleans()),
        st.tuples(st.sampled_from(["leave", "hold up", "catch up"]), st.integers(0, 5)),
        st.tuples(st.just("each"), st.none()),
    ),
    max_size=60,
)


@hypothesis_settings(max_examples=400)
@given(actions)
def test_each_subscription_gets_every_event_from_its_start_to_its_end(actions: Sequence[tuple[str, Any]]) -> None:
    asyncio.run(play(actions))


async def play(actions: Sequence[tuple[str, Any]]) -> None:
    """The log is ahead of the delivered events. A socket that catches up reads all of it."""
    fanout, log, delivered = Fanout(), list[Event](), 0
    watching: list[tuple[Socket, SocketSubscription, int]] = []

    def check(socket: Socket, subscription: SocketSubscription, start: int) -> None:
        fanout.each()
        subscription.note_head(len(log))
        socket.catch_up(subscription, log)
        assert socket.frames == expected(log[start:], subscription.numbered)

    for action, of in actions:
        if action == "record":
            log += [event(len(log) + number, method) for number, method in enumerate(of, 1)]
        elif action == "deliver":
            events = log[delivered : delivered + of]
            delivered += len(events)
            fanout.deliver(events)
        elif action == "join":
            socket = Socket()
            watching.append((socket, socket.subscribe(numbered=of, cursor=len(log)), len(log)))
            fanout.add(watching[-1][1])
        elif action == "each":
            assert len(fanout.each()) == len(watching)
        elif of < len(watching):
            socket, subscription, _ = watching[of]
            if action == "hold up":
                socket.is_open = False
            elif action == "catch up" and not socket.is_open:
                fanout.each()
                subscription.note_head(len(log))
                socket.catch_up(subscription, log)
            elif action == "leave":
                check(*watching.pop(of))
                fanout.discard(subscription)
    for each in watching:
        check(*each)
