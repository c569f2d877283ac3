"""The only sender of a socket."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import pytest
from pytest_django import Settings

from realtime.connection import writer
from realtime.connection.writer import Writer
from realtime.metrics import counts
from realtime.subscription.state import After
from realtime.subscription.subscription import SocketSubscription
from realtime.wire.event import Event
from realtime.wire.methods import WSMethod
from realtime.wire.requests import Subscribe
from tests.realtime.connection.test_lost import LOST
from tests.waiting import until_in_loop

PATIENCE = 20.0  # seconds; only a test that fails waits for so long


class Socket:
    """What a client sees. It takes frames while its gate is open, and one more."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[str] = asyncio.Queue()
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    @property
    def is_broken(self) -> bool:
        return self.error is not None

    async def send(self, message: dict[str, Any]) -> None:
        if self.error:
            raise self.error
        self.frames.put_nowait(message["text"])
        await self.gate.wait()

    async def next(self, count: int) -> list[str]:
        return [await asyncio.wait_for(self.frames.get(), PATIENCE) for _ in range(count)]

    async def is_quiet(self) -> bool:
        """Whether nothing comes once everybody has had a turn."""
        for _ in range(50):
            await asyncio.sleep(0)
        return self.frames.empty()


class SocketSender:
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


class Log:
    """Notes for which keys it is read."""

    def __init__(self) -> None:
        self.answer: Fill = self.no_answer
        self.asked: list[str] = []

    async def no_answer(self, subscription: SocketSubscription) -> None:
        raise AssertionError("this test has no log")

    async def fill(self, subscription: SocketSubscription) -> None:
        self.asked.append(subscription.key)
        await self.answer(subscription)


class Connection:
    """A writer, its socket, and the log of its subscriptions."""

    def __init__(self, *, sends_at_once: bool) -> None:
        self.socket = Socket()
        self.log = Log()
        self.direct_sender = SocketSender(self.socket) if sends_at_once else None
        self.failures: list[Exception] = []
        self.writer = Writer(self.socket.send, self.direct_sender, on_failure=self.failures.append)
        self.running = self.writer.start()

    async def is_held_up(self) -> None:
        """One frame is on its way, and the next ones wait until the gate opens."""
        self.socket.gate.clear()
        self.writer.answer("held up")
        assert await self.socket.next(1) == ["held up"]

    def subscribe(self, key: str, *, cursor: int = 0, head: int | None = None, **options: Any) -> SocketSubscription:
        subscription = SocketSubscription(
            key,
            WSMethod.SUBSCRIBE_STREAM,
            Subscribe(**options),
            writer=self.writer,
            on_end=lambda _: None,
        )
        subscription.log_reader = self.log
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
    if connection.direct_sender:
        assert [len(together) for together in connection.direct_sender.releases if together] == [5]


async def test_the_events_that_found_the_buffer_full_are_counted(connection: Connection, settings: Settings) -> None:
    settings.REALTIME = {"BUFFER_EVENTS": 3}
    live = connection.subscribe("a")
    await connection.is_held_up()
    assert live.offer_together([event(seq) for seq in range(1, 5)]) == 1


async def test_a_page_goes_out_together(connection: Connection) -> None:
    page = [event(seq) for seq in range(1, 51)]

    async def fill(subscription: SocketSubscription) -> None:
        assert subscription.fill(page)

    connection.log.answer = fill
    connection.subscribe("a", head=50)
    assert await connection.socket.next(50) == [frame(seq) for seq in range(1, 51)]
    if connection.direct_sender:
        assert [len(together) for together in connection.direct_sender.releases if together] == [50]


async def test_events_are_sent_in_the_order_of_their_stream(connection: Connection) -> None:
    live = connection.subscribe("a")
    for seq in range(1, 6):
        live.offer(event(seq))
    assert await connection.socket.next(5) == [frame(seq) for seq in range(1, 6)]


async def test_heartbeats_are_sent_before_answers_and_answers_before_events(connection: Connection) -> None:
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


async def test_a_heartbeat_overtakes_waiting_events(connection: Connection) -> None:
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


async def test_later_events_are_sent_too(connection: Connection) -> None:
    live = connection.subscribe("a")
    for seq in range(1, 4):
        live.offer(event(seq))
        assert await connection.socket.next(1) == [frame(seq)]
    assert await connection.socket.is_quiet()


# In which form


async def test_only_a_client_that_knows_numbers_gets_them(connection: Connection) -> None:
    connection.subscribe("a", after=0).offer(event(1))
    connection.subscribe("b").offer(event(1, "b"))
    assert await connection.socket.next(2) == [event(1).numbered_frame, frame(1, "b")]


async def test_only_a_client_that_knows_numbers_gets_the_events_of_part_2(connection: Connection) -> None:
    for key, options in (("a", {"after": 0}), ("b", {})):
        live = connection.subscribe(key, **options)
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
    assert live.delivered_seq == 1
    assert not live.has_work


# Bounded


async def test_a_client_that_does_not_read_gets_no_more_answers(connection: Connection, settings: Settings) -> None:
    settings.REALTIME = {"MAX_PENDING_REQUESTS": 3}
    connection.socket.gate.clear()
    connection.writer.answer("taken")
    await connection.socket.next(1)
    for number in range(2):
        connection.writer.answer(f"answer {number}")
    await connection.writer.wait_for_room()
    connection.writer.pong("pong")
    waiting = asyncio.ensure_future(connection.writer.wait_for_room())
    assert await connection.socket.is_quiet()
    assert not waiting.done()
    connection.socket.gate.set()
    await asyncio.wait_for(waiting, PATIENCE)
    assert await connection.socket.next(3) == ["pong", "answer 0", "answer 1"]


# From the log


async def test_missing_events_are_read_and_sent(connection: Connection) -> None:
    async def fill(subscription: SocketSubscription) -> None:
        wanted = subscription.wanted
        assert isinstance(wanted, After)
        assert subscription.fill([event(seq) for seq in range(wanted.seq + 1, wanted.seq + 3)])

    connection.log.answer = fill
    connection.subscribe("a", head=6)
    assert await connection.socket.next(6) == [frame(seq) for seq in range(1, 7)]
    assert connection.log.asked == ["a"] * 3
    assert await connection.socket.is_quiet()


async def test_a_slow_read_delays_neither_answers_nor_other_streams(connection: Connection) -> None:
    gate = asyncio.Event()

    async def fill(subscription: SocketSubscription) -> None:
        await gate.wait()
        subscription.fill([event(1)])

    connection.log.answer = fill
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

    connection.log.answer = fill
    for key in "abcd":
        connection.subscribe(key, head=1)
    assert sorted(await connection.socket.next(4)) == sorted(frame(1, key) for key in "abcd")
    assert (connection.log.asked, most) == (list("abcd"), 1)


async def test_a_failed_read_is_tried_again_later(connection: Connection, settings: Settings) -> None:
    settings.REALTIME = {"SWEEP_INTERVAL": 0.05}
    before = counts().get("errors", 0)

    async def fill(subscription: SocketSubscription) -> None:
        if len(connection.log.asked) < 3:
            raise ConnectionError
        subscription.fill([event(1)])

    connection.log.answer = fill
    connection.subscribe("a", head=1)
    assert await connection.socket.is_quiet()
    assert len(connection.log.asked) == 1
    assert await connection.socket.next(1) == [frame(1)]
    assert len(connection.log.asked) == 3
    assert counts()["errors"] == before + 2


async def test_a_failed_read_delays_no_other_stream(connection: Connection) -> None:
    async def fill(subscription: SocketSubscription) -> None:
        if subscription.key == "a":
            raise ConnectionError
        subscription.fill([event(1, "b")])

    connection.log.answer = fill
    connection.subscribe("a", head=1)
    connection.subscribe("b", head=1)
    assert await connection.socket.next(1) == [frame(1, "b")]
    assert connection.log.asked == ["a", "b"]


async def test_events_offered_during_a_read_are_sent_once_after_it(connection: Connection) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    async def fill(subscription: SocketSubscription) -> None:
        begun.set()
        await gate.wait()
        subscription.fill([event(1), event(2)] if subscription.wanted == After(0) else [event(3)])

    connection.log.answer = fill
    live = connection.subscribe("a", head=1)
    await begun.wait()
    live.offer(event(2))
    live.offer(event(3))
    gate.set()
    assert await connection.socket.next(3) == [frame(1), frame(2), frame(3)]
    assert await connection.socket.is_quiet()


# In whose name

who: ContextVar[str] = ContextVar("who", default="nobody")


@pytest.mark.parametrize("waits", [False, True])
async def test_a_context_variable_set_by_a_send_is_seen_by_no_other_socket_and_can_be_reset(waits: bool) -> None:
    seen: list[str] = []

    def named(name: str, connection: Connection) -> Connection:
        send = connection.socket.send

        async def send_as(message: dict[str, Any]) -> None:
            seen.append(who.get())
            token = who.set(name)
            try:
                await send(message)
            finally:
                seen.append(who.get())
                who.reset(token)

        connection.writer._send = send_as
        return connection

    async def fan_out() -> None:
        who.set("who brings it")
        for live in (ann, bob):
            assert live.offer(event(1))
            assert who.get() == "who brings it"

    first, second = named("Ann", Connection(sends_at_once=False)), named("Bob", Connection(sends_at_once=False))
    ann, bob = first.subscribe("a"), second.subscribe("a")
    await asyncio.sleep(0)
    if waits:
        first.socket.gate.clear()
        second.socket.gate.clear()
    await asyncio.create_task(fan_out())
    for each in (first, second):
        each.socket.gate.set()
    await until_in_loop(lambda: len(seen) == 4)
    for each in (first, second):
        each.writer.answer("still there")
        assert await each.socket.next(2) == [frame(1), "still there"]
        assert not each.failures
        each.running.cancel()
    assert seen[:4] == (["nobody", "nobody", "Ann", "Bob"] if waits else ["nobody", "Ann", "nobody", "Bob"])


async def test_a_context_variable_left_set_by_a_send_is_seen_by_the_next_one() -> None:
    connection = Connection(sends_at_once=False)
    seen: list[str] = []

    async def send(message: dict[str, Any]) -> None:
        seen.append(who.get())
        who.set(message["text"])

    connection.writer._send = send
    connection.writer.answer("1")  # by the task
    await asyncio.sleep(0)
    for text in "23":
        connection.writer.answer(text)  # by this test
    await asyncio.sleep(0)
    assert seen == ["nobody", "1", "2"]
    assert who.get() == "nobody"
    connection.running.cancel()


async def test_a_frame_added_during_a_send_is_sent_after_it() -> None:
    connection = Connection(sends_at_once=False)
    sent: list[str] = []

    async def send(message: dict[str, Any]) -> None:
        if message["text"] in ("1", frame(1)):
            connection.writer.answer(f"after {len(sent)}")
        sent.append(message["text"])

    connection.writer._send = send
    live = connection.subscribe("a")
    await asyncio.sleep(0)
    connection.writer.answer("1")
    live.offer(event(1))
    await asyncio.sleep(0)
    assert sent == ["1", "after 0", frame(1), "after 2"]
    assert not connection.failures
    connection.running.cancel()


# The end


async def test_a_stopped_subscription_sends_no_frame(connection: Connection) -> None:
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

    connection.log.answer = fill
    live = connection.subscribe("a", head=1)
    await begun.wait()
    live.stop()
    gate.set()
    assert await connection.socket.is_quiet()
    assert connection.log.asked == ["a"]


async def test_a_cancelled_writer_ends_its_read_too(connection: Connection) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def fill(subscription: SocketSubscription) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    connection.log.answer = fill
    connection.subscribe("a", head=1)
    await begun.wait()
    connection.running.cancel()
    await asyncio.wait_for(ended.wait(), PATIENCE)


@pytest.mark.parametrize("error", LOST.values(), ids=LOST)
@pytest.mark.parametrize("is_idle", [True, False])
async def test_a_lost_connection_ends_the_writer_without_an_error(
    connection: Connection, error: Exception, is_idle: bool, caplog: pytest.LogCaptureFixture
) -> None:
    before = counts().get("errors", 0)
    if is_idle:
        await asyncio.sleep(0)
    connection.socket.error = error
    connection.writer.answer("answer")
    await asyncio.wait_for(connection.running, PATIENCE)
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]
    assert counts().get("errors", 0) == before
    assert not connection.failures


async def test_a_lost_connection_without_a_disconnect_message_is_a_failure(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(writer, "GOODBYE_TIMEOUT", 0.01)
    connection.socket.error = ConnectionRefusedError("Redis of a middleware")
    connection.writer.answer("answer")
    await until_in_loop(lambda: bool(connection.failures))
    assert connection.failures == [connection.socket.error]
    assert "Redis of a middleware" in caplog.text


async def test_after_the_end_of_the_consumer_nothing_is_a_failure(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(writer, "GOODBYE_TIMEOUT", 0.01)
    connection.socket.error = ConnectionError()
    connection.writer.answer("answer")
    await asyncio.sleep(0)
    connection.writer.stop()
    connection.writer.answer("answer")
    its_time_is_over = asyncio.Event()
    asyncio.get_running_loop().call_later(writer.GOODBYE_TIMEOUT, its_time_is_over.set)
    await its_time_is_over.wait()
    assert not connection.failures
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


@pytest.mark.parametrize("is_idle", [True, False])
async def test_any_other_error_is_logged_counted_and_reported(
    connection: Connection, is_idle: bool, caplog: pytest.LogCaptureFixture
) -> None:
    before = counts().get("errors", 0)
    if is_idle:
        await asyncio.sleep(0)
    connection.socket.error = ValueError("a middleware's")
    connection.writer.answer("answer")
    await asyncio.wait_for(connection.running, PATIENCE)
    assert connection.failures == [connection.socket.error]
    assert counts()["errors"] == before + 1
    assert [record.levelname for record in caplog.records if record.exc_info] == ["ERROR"]


async def test_an_error_of_a_send_does_not_reach_the_caller_that_offers_the_event(
    connection: Connection,
) -> None:
    live = connection.subscribe("a")
    await asyncio.sleep(0)
    connection.socket.error = ValueError()
    assert live.offer(event(1))
    assert live.offer_together([event(2), event(3)]) == 0
    await asyncio.wait_for(connection.running, PATIENCE)
    assert connection.failures == [connection.socket.error]


@pytest.mark.parametrize("name", ["send", "release"])
async def test_an_error_of_the_direct_sender_is_reported(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error = ValueError()

    def fail(*args: Any) -> bool:
        raise error

    connection = Connection(sends_at_once=True)
    live = connection.subscribe("a")
    await asyncio.sleep(0)
    monkeypatch.setattr(connection.direct_sender, name, fail)
    assert live.offer_together([event(1), event(2)]) == 0
    connection.writer.answer("answer")
    await until_in_loop(lambda: bool(connection.failures))
    assert connection.failures == [error]
    connection.running.cancel()


async def test_an_event_that_cannot_be_made_a_frame_is_reported(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = connection.subscribe("a")
    await asyncio.sleep(0)
    connection.socket.gate.clear()
    connection.writer.answer("held up")
    live.offer(event(1))
    monkeypatch.setattr(SocketSubscription, "frame_of", lambda *_: [][0])
    connection.socket.gate.set()
    await until_in_loop(lambda: bool(connection.failures))
    assert [type(error) for error in connection.failures] == [IndexError]


async def test_a_failed_writer_blocks_no_caller(connection: Connection, settings: Settings) -> None:
    settings.REALTIME = {"MAX_PENDING_REQUESTS": 2}
    connection.socket.error = ValueError()
    connection.writer.answer("answer")
    await asyncio.sleep(0)
    for _ in range(5):
        connection.writer.answer("answer")
        connection.writer.pong("pong")
        await asyncio.wait_for(connection.writer.wait_for_room(), PATIENCE)


async def test_a_cancelled_send_does_not_reach_the_caller_that_offers_the_event(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send(message: dict[str, Any]) -> None:
        raise asyncio.CancelledError

    live = connection.subscribe("a")
    assert await connection.socket.is_quiet()
    monkeypatch.setattr(connection.writer, "_direct_sender", None)
    monkeypatch.setattr(connection.writer, "_send", send)
    assert live.offer(event(1))
    await asyncio.wait({connection.running}, timeout=PATIENCE)
    assert connection.running.cancelled()
    assert [str(error) for error in connection.failures] == ["The sending of a frame was cancelled"]


async def test_a_cancelled_writer_reports_nothing(connection: Connection) -> None:
    await asyncio.sleep(0)
    connection.running.cancel()
    await asyncio.wait({connection.running}, timeout=PATIENCE)
    assert not connection.failures
