"""The only sender of a socket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from pytest_django import Settings

from realtime.connection.writer import Writer
from realtime.metrics import counts
from realtime.subscription.state import After
from realtime.subscription.subscription import SocketSubscription
from realtime.wire.event import Event
from realtime.wire.methods import WSMethod
from realtime.wire.requests import Subscribe

PATIENCE = 20.0  # seconds; only a test that fails waits for so long


class Socket:
    """What a client sees. It takes frames while its gate is open, and one more."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[str] = asyncio.Queue()
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_broken = False

    async def send(self, message: dict[str, Any]) -> None:
        if self.is_broken:
            raise ConnectionError
        self.frames.put_nowait(message["text"])
        await self.gate.wait()

    async def next(self, count: int) -> list[str]:
        return [await asyncio.wait_for(self.frames.get(), PATIENCE) for _ in range(count)]

    async def is_quiet(self) -> bool:
        """Whether nothing comes once everybody has had a turn."""
        for _ in range(50):
            await asyncio.sleep(0)
        return self.frames.empty()


class SocketOutlet:
    """The cheaper way to it."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.held: list[str] | None = None
        self.releases: list[list[str]] = []

    def send(self, text: str | None) -> bool:
        if self.socket.is_broken or not self.socket.gate.is_set():
            return False
        assert text
        if self.held is None:
            self.socket.frames.put_nowait(text)
        else:
            self.held.append(text)
        return True

    def hold(self) -> None:
        if self.held is None:
            self.held = []

    def release(self) -> None:
        held, self.held = self.held or [], None
        self.releases.append(held)
        for text in held:
            self.socket.frames.put_nowait(text)


Fill = Callable[[SocketSubscription], Awaitable[None]]


class Connection:
    """A writer, its socket, and what it asks of the log."""

    def __init__(self, *, sends_at_once: bool) -> None:
        self.socket = Socket()
        self.fill: Fill = self.no_log
        self.fills: list[str] = []
        self.outlet = SocketOutlet(self.socket) if sends_at_once else None
        self.writer = Writer(self.socket.send, self._fill, self.outlet)
        self.running = asyncio.ensure_future(self.writer.run())

    async def is_held_up(self) -> None:
        """One frame is on its way, and the next ones wait until the gate opens."""
        self.socket.gate.clear()
        self.writer.answer("held up")
        assert await self.socket.next(1) == ["held up"]

    async def no_log(self, subscription: SocketSubscription) -> None:
        raise AssertionError("this test has no log")

    async def _fill(self, subscription: SocketSubscription) -> None:
        self.fills.append(subscription.key)
        await self.fill(subscription)

    def subscribe(self, key: str, *, cursor: int = 0, head: int | None = None, **wish: Any) -> SocketSubscription:
        subscription = SocketSubscription(
            key,
            WSMethod.SUBSCRIBE_STREAM,
            Subscribe(**wish),
            writer=self.writer,
            on_end=lambda _: None,
        )
        subscription.start(cursor, cursor if head is None else head)
        return subscription


@pytest.fixture(params=[False, True], ids=["another server", "our server"])
async def connection(request: pytest.FixtureRequest) -> AsyncIterator[Connection]:
    it = Connection(sends_at_once=request.param)
    yield it
    it.socket.gate.set()
    it.running.cancel()
    await asyncio.wait({it.running})


def event(seq: int, key: str = "a", method: str = "changed") -> Event:
    return Event(seq, method, f'"{key}{seq}"', key)


def frame(seq: int, key: str = "a") -> str:
    return event(seq, key).frame


# In which order


async def test_the_events_of_one_announcement_go_out_together(connection: Connection) -> None:
    live = connection.subscribe("a")
    await asyncio.sleep(0)  # the writer has nothing to do
    assert live.offer_together([event(seq) for seq in range(1, 6)]) == 0
    assert await connection.socket.next(5) == [frame(seq) for seq in range(1, 6)]
    if connection.outlet:
        assert [len(together) for together in connection.outlet.releases if together] == [5]


async def test_an_announcement_says_how_many_of_its_events_found_no_room(
    connection: Connection, settings: Settings
) -> None:
    settings.REALTIME = {"BUFFER_EVENTS": 3}
    live = connection.subscribe("a")
    await connection.is_held_up()
    assert live.offer_together([event(seq) for seq in range(1, 5)]) == 1


async def test_a_page_goes_out_together(connection: Connection) -> None:
    page = [event(seq) for seq in range(1, 51)]

    async def fill(subscription: SocketSubscription) -> None:
        assert subscription.fill(page)

    connection.fill = fill
    connection.subscribe("a", head=50)
    assert await connection.socket.next(50) == [frame(seq) for seq in range(1, 51)]
    if connection.outlet:
        assert [len(together) for together in connection.outlet.releases if together] == [50]


async def test_events_are_sent_in_the_order_of_their_stream(connection: Connection) -> None:
    live = connection.subscribe("a")
    for seq in range(1, 6):
        live.offer(event(seq))
    assert await connection.socket.next(5) == [frame(seq) for seq in range(1, 6)]


async def test_heartbeats_go_before_answers_and_answers_before_events(connection: Connection) -> None:
    await connection.is_held_up()
    live = connection.subscribe("a")
    for seq in (1, 2):
        live.offer(event(seq))
    for number in (1, 2):
        connection.writer.answer(f"answer {number}")
    for number in (1, 2):
        connection.writer.pong(f"pong {number}")
    connection.socket.gate.set()
    assert await connection.socket.next(6) == ["pong 1", "pong 2", "answer 1", "answer 2", frame(1), frame(2)]


async def test_a_heartbeat_overtakes_events_that_wait(connection: Connection) -> None:
    connection.socket.gate.clear()
    live = connection.subscribe("a")
    for seq in range(1, 50):
        live.offer(event(seq))
    assert await connection.socket.next(1) == [frame(1)]
    connection.writer.pong("pong")
    connection.socket.gate.set()
    assert await connection.socket.next(2) == ["pong", frame(2)]


async def test_the_streams_of_a_socket_take_turns(connection: Connection) -> None:
    await connection.is_held_up()
    many, few = connection.subscribe("a"), connection.subscribe("b")
    for seq in range(1, 6):
        many.offer(event(seq))
    few.offer(event(1, "b"))
    connection.socket.gate.set()
    assert await connection.socket.next(6) == [frame(1), frame(1, "b"), *(frame(seq) for seq in range(2, 6))]


async def test_what_comes_later_is_sent_too(connection: Connection) -> None:
    live = connection.subscribe("a")
    for seq in range(1, 4):
        live.offer(event(seq))
        assert await connection.socket.next(1) == [frame(seq)]
    assert await connection.socket.is_quiet()


# In which form


async def test_only_who_knows_numbers_gets_them(connection: Connection) -> None:
    connection.subscribe("a", after=0).offer(event(1))
    connection.subscribe("b").offer(event(1, "b"))
    assert await connection.socket.next(2) == [event(1).numbered_frame, frame(1, "b")]


async def test_only_who_knows_numbers_gets_the_events_of_part_2(connection: Connection) -> None:
    for key, wish in (("a", {"after": 0}), ("b", {})):
        live = connection.subscribe(key, **wish)
        live.offer(event(1, key, method="execution_deleted"))
        live.offer(event(2, key))
    first, *others = await connection.socket.next(3)
    assert '"execution_deleted"' in first
    assert sorted(others) == sorted([event(2).numbered_frame, frame(2, "b")])
    assert await connection.socket.is_quiet()


async def test_events_that_are_not_for_this_client_count_as_sent(connection: Connection) -> None:
    live = connection.subscribe("a")
    live.offer(event(1, method="execution_deleted"))
    assert await connection.socket.is_quiet()
    assert live.cursor == 1
    assert not live.has_work


# Bounded


async def test_who_does_not_read_is_not_answered_more(connection: Connection, settings: Settings) -> None:
    settings.REALTIME = {"MAX_PENDING_REQUESTS": 3}
    connection.socket.gate.clear()
    connection.writer.answer("taken")
    await connection.socket.next(1)
    for number in range(2):
        connection.writer.answer(f"answer {number}")
    await connection.writer.has_room()
    connection.writer.pong("pong")
    waiting = asyncio.ensure_future(connection.writer.has_room())
    assert await connection.socket.is_quiet()
    assert not waiting.done()
    connection.socket.gate.set()
    await asyncio.wait_for(waiting, PATIENCE)
    assert await connection.socket.next(3) == ["pong", "answer 0", "answer 1"]


# From the log


async def test_what_is_missing_is_read_and_sent(connection: Connection) -> None:
    async def fill(subscription: SocketSubscription) -> None:
        wanted = subscription.wanted
        assert isinstance(wanted, After)
        assert subscription.fill([event(seq) for seq in range(wanted.seq + 1, wanted.seq + 3)])

    connection.fill = fill
    connection.subscribe("a", head=6)
    assert await connection.socket.next(6) == [frame(seq) for seq in range(1, 7)]
    assert connection.fills == ["a"] * 3
    assert await connection.socket.is_quiet()


async def test_a_slow_read_holds_up_neither_answers_nor_other_streams(connection: Connection) -> None:
    gate = asyncio.Event()

    async def fill(subscription: SocketSubscription) -> None:
        await gate.wait()
        subscription.fill([event(1)])

    connection.fill = fill
    await connection.is_held_up()
    connection.subscribe("a", head=1)
    other = connection.subscribe("b")
    other.offer(event(1, "b"))
    connection.writer.answer("answer")
    connection.socket.gate.set()
    assert await connection.socket.next(2) == ["answer", frame(1, "b")]
    gate.set()
    assert await connection.socket.next(1) == [frame(1)]


async def test_one_read_of_a_socket_runs_at_a_time(connection: Connection) -> None:
    running, most = 0, 0

    async def fill(subscription: SocketSubscription) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        subscription.fill([event(1, subscription.key)])

    connection.fill = fill
    for key in "abcd":
        connection.subscribe(key, head=1)
    assert sorted(await connection.socket.next(4)) == sorted(frame(1, key) for key in "abcd")
    assert (connection.fills, most) == (list("abcd"), 1)


async def test_a_read_that_fails_is_tried_again_after_a_while(connection: Connection, settings: Settings) -> None:
    settings.REALTIME = {"SWEEP_INTERVAL": 0.05}
    before = counts().get("errors", 0)

    async def fill(subscription: SocketSubscription) -> None:
        if len(connection.fills) < 3:
            raise ConnectionError
        subscription.fill([event(1)])

    connection.fill = fill
    connection.subscribe("a", head=1)
    assert await connection.socket.is_quiet()
    assert len(connection.fills) == 1
    assert await connection.socket.next(1) == [frame(1)]
    assert len(connection.fills) == 3
    assert counts()["errors"] == before + 2


async def test_a_read_that_fails_holds_up_no_other_stream(connection: Connection) -> None:
    async def fill(subscription: SocketSubscription) -> None:
        if subscription.key == "a":
            raise ConnectionError
        subscription.fill([event(1, "b")])

    connection.fill = fill
    connection.subscribe("a", head=1)
    connection.subscribe("b", head=1)
    assert await connection.socket.next(1) == [frame(1, "b")]
    assert connection.fills == ["a", "b"]


async def test_what_is_offered_during_a_read_is_sent_after_it_and_once(connection: Connection) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    async def fill(subscription: SocketSubscription) -> None:
        begun.set()
        await gate.wait()
        subscription.fill([event(1), event(2)] if subscription.wanted == After(0) else [event(3)])

    connection.fill = fill
    live = connection.subscribe("a", head=1)
    await begun.wait()
    live.offer(event(2))
    live.offer(event(3))
    gate.set()
    assert await connection.socket.next(3) == [frame(1), frame(2), frame(3)]
    assert await connection.socket.is_quiet()


# The end


async def test_after_the_stop_of_a_subscription_comes_no_frame_of_it(connection: Connection) -> None:
    connection.socket.gate.clear()
    live = connection.subscribe("a")
    for seq in range(1, 4):
        live.offer(event(seq))
    assert await connection.socket.next(1) == [frame(1)]
    live.stop()
    live.offer(event(4))
    connection.writer.answer("unsubscribed")
    connection.socket.gate.set()
    assert await connection.socket.next(1) == ["unsubscribed"]
    assert await connection.socket.is_quiet()


async def test_a_subscription_that_stops_during_its_read_sends_nothing_of_it(connection: Connection) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    async def fill(subscription: SocketSubscription) -> None:
        begun.set()
        await gate.wait()
        subscription.fill([event(1)])

    connection.fill = fill
    live = connection.subscribe("a", head=1)
    await begun.wait()
    live.stop()
    gate.set()
    assert await connection.socket.is_quiet()
    assert connection.fills == ["a"]


async def test_a_writer_that_is_cancelled_ends_its_read_too(connection: Connection) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def fill(subscription: SocketSubscription) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    connection.fill = fill
    connection.subscribe("a", head=1)
    await begun.wait()
    connection.running.cancel()
    await asyncio.wait_for(ended.wait(), PATIENCE)


async def test_a_connection_that_takes_nothing_more_ends_the_writer_quietly(connection: Connection) -> None:
    connection.socket.is_broken = True
    connection.writer.answer("answer")
    await asyncio.wait_for(connection.running, PATIENCE)


async def test_a_send_that_is_cancelled_does_not_concern_whoever_has_brought_the_frame(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send(message: dict[str, Any]) -> None:
        raise asyncio.CancelledError

    live = connection.subscribe("a")
    assert await connection.socket.is_quiet()
    monkeypatch.setattr(connection.writer, "_outlet", None)
    monkeypatch.setattr(connection.writer, "_send", send)
    assert live.offer(event(1))
    await asyncio.wait({connection.running}, timeout=PATIENCE)
    assert connection.running.cancelled()
