"""Every subscription of a stream gets every event once and in order, whether it is in step with the others or not."""

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
from realtime.wire.methods import WSMethod
from realtime.wire.requests import Subscribe

ADDED = "notification_read"


class Socket:
    """Takes frames at once while it is open; what waits otherwise, it takes by `catch_up`, from the log if need be."""

    def __init__(self) -> None:
        self.frames: list[str] = []
        self.is_open = True
        self.looks = 0

    def subscribe(self, *, numbered: bool = True, cursor: int = 0) -> SocketSubscription:
        wish = Subscribe(replay="none") if numbered else Subscribe()
        subscription = SocketSubscription("a", WSMethod.SUBSCRIBE_STREAM, wish, writer=self, on_end=lambda _: None)
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
        self.looks += 1

    def answer(self, frame: str) -> None:
        raise AssertionError("nothing is asked here")

    def hold(self) -> None:
        pass

    def release(self) -> None:
        pass


def event(seq: int, method: str = "notification") -> Event:
    return Event(seq, method, f'"event {seq}"', None)


def audience_of(*subscriptions: SocketSubscription) -> Fanout:
    audience = Fanout()
    for subscription in subscriptions:
        audience.add(subscription)
    return audience


def expected(events: Sequence[Event], numbered: bool) -> list[str]:
    return [each.numbered_frame if numbered else each.frame for each in events if numbered or not each.is_numbered_only]


async def test_those_in_step_get_each_event_in_the_form_that_they_asked_for() -> None:
    one, other = Socket(), Socket()
    audience = audience_of(one.subscribe(), other.subscribe(numbered=False))
    events = [event(1), event(2), event(3, ADDED), event(4)]
    for each in events:
        audience.hand_on([each])
    assert one.frames == expected(events, numbered=True)
    assert other.frames == expected(events, numbered=False)
    assert [each.cursor for each in audience.each()] == [4, 4]


async def test_one_that_cannot_send_goes_on_by_itself_and_comes_back() -> None:
    slow, quick = Socket(), Socket()
    behind = slow.subscribe()
    audience = audience_of(behind, quick.subscribe())
    log = [event(seq) for seq in range(1, 7)]
    audience.hand_on([log[0]])
    audience.hand_on([log[1]])
    slow.is_open = False
    audience.hand_on([log[2]])
    audience.hand_on([log[3]])
    assert (len(slow.frames), len(quick.frames)) == (2, 4)
    assert (behind.cursor, behind.tail) == (2, 4)
    slow.catch_up(behind, log)
    audience.hand_on([log[4]])
    looks = slow.looks
    audience.hand_on([log[5]])
    assert slow.frames == quick.frames == expected(log, numbered=True)
    assert slow.looks == looks


async def test_the_events_of_one_announcement_reach_those_that_were_in_step() -> None:
    socket = Socket()
    audience = audience_of(socket.subscribe())
    log = [event(seq) for seq in range(1, 7)]
    for handed_on in (log[:1], log[1:2], log[2:5], [], log[5:]):
        audience.hand_on(handed_on)
    assert socket.frames == expected(log, numbered=True)


async def test_what_is_discarded_gets_nothing_more() -> None:
    staying, leaving = Socket(), Socket()
    subscription = leaving.subscribe()
    audience = audience_of(staying.subscribe(), subscription)
    for seq in (1, 2):
        audience.hand_on([event(seq)])
    audience.discard(subscription)
    audience.hand_on([event(3)])
    assert (len(staying.frames), len(leaving.frames), len(audience)) == (3, 2, 1)
    audience.discard(subscription)  # once more is no harm


async def test_one_that_has_not_started_hears_of_what_happens() -> None:
    socket = Socket()
    subscription = SocketSubscription(
        "a", WSMethod.SUBSCRIBE_STREAM, Subscribe(replay="none"), writer=socket, on_end=lambda _: None
    )
    audience = audience_of(subscription)
    for seq in (1, 2):
        audience.hand_on([event(seq)])
    subscription.start(0, 0)
    socket.catch_up(subscription, [event(1), event(2)])
    audience.hand_on([event(3)])
    assert socket.frames == expected([event(1), event(2), event(3)], numbered=True)


async def test_no_event_is_passed_over_in_step() -> None:
    """The stream hands on without a gap. If it ever did not, the log would be read."""
    socket = Socket()
    subscription = socket.subscribe()
    audience = audience_of(subscription)
    log = [event(seq) for seq in range(1, 5)]
    for each in (log[0], log[1], log[3]):
        audience.hand_on([each])
    assert len(socket.frames) == 2
    socket.catch_up(subscription, log)
    assert socket.frames == expected(log, numbered=True)


async def test_two_subscriptions_of_one_socket_do_not_get_in_each_others_way() -> None:
    socket = Socket()
    former, new = socket.subscribe(), socket.subscribe()
    audience = audience_of(former, new)
    for seq in (1, 2):
        audience.hand_on([event(seq)])
    audience.discard(former)
    for seq in (3, 4):
        audience.hand_on([event(seq)])
    assert [socket.frames.count(event(seq).numbered_frame) for seq in (1, 2, 3, 4)] == [2, 2, 1, 1]


async def test_a_full_buffer_is_counted(settings: Settings) -> None:
    settings.REALTIME = {"BUFFER_EVENTS": 2}
    socket = Socket()
    audience = audience_of(socket.subscribe())
    audience.hand_on([event(1)])
    socket.is_open = False
    before = counts().get("subscriptions_behind", 0)
    for seq in (2, 3, 4):
        audience.hand_on([event(seq)])
    assert counts()["subscriptions_behind"] == before + 1


async def test_one_that_has_read_ahead_is_in_step_only_when_the_others_are_there() -> None:
    ahead = Socket()
    audience = audience_of(ahead.subscribe(cursor=3))
    log = [event(seq) for seq in range(1, 6)]
    for each in log:
        audience.hand_on([each])
    assert ahead.frames == expected(log[3:], numbered=True)


deeds = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.lists(st.sampled_from(["notification", ADDED]), min_size=1, max_size=4)),
        st.tuples(st.just("hand on"), st.integers(1, 3)),
        st.tuples(st.just("join"), st.booleans()),
        st.tuples(st.sampled_from(["leave", "hold up", "catch up"]), st.integers(0, 5)),
        st.tuples(st.just("look"), st.none()),
    ),
    max_size=60,
)


@hypothesis_settings(max_examples=400)
@given(deeds)
def test_whatever_happens_each_gets_all_from_its_beginning_to_its_end(deeds: Sequence[tuple[str, Any]]) -> None:
    asyncio.run(play(deeds))


async def play(deeds: Sequence[tuple[str, Any]]) -> None:
    """The log is ahead of what has been handed on, and whoever catches up reads all of it."""
    audience, log, handed_on = Fanout(), list[Event](), 0
    watching: list[tuple[Socket, SocketSubscription, int]] = []

    def check(socket: Socket, subscription: SocketSubscription, start: int) -> None:
        audience.each()
        subscription.lag(len(log))
        socket.catch_up(subscription, log)
        assert socket.frames == expected(log[start:], subscription.numbered)

    for deed, of in deeds:
        if deed == "record":
            log += [event(len(log) + number, method) for number, method in enumerate(of, 1)]
        elif deed == "hand on":
            events = log[handed_on : handed_on + of]
            handed_on += len(events)
            audience.hand_on(events)
        elif deed == "join":
            socket = Socket()
            watching.append((socket, socket.subscribe(numbered=of, cursor=len(log)), len(log)))
            audience.add(watching[-1][1])
        elif deed == "look":
            assert len(audience.each()) == len(watching)
        elif of < len(watching):
            socket, subscription, _ = watching[of]
            if deed == "hold up":
                socket.is_open = False
            elif deed == "catch up" and not socket.is_open:
                audience.each()
                subscription.lag(len(log))
                socket.catch_up(subscription, log)
            elif deed == "leave":
                check(*watching.pop(of))
                audience.discard(subscription)
    for each in watching:
        check(*each)
