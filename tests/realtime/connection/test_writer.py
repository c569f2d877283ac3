"""What a writer sends, in which order and form."""

import asyncio

from pytest_django import Settings

from realtime.metrics import counts
from realtime.subscription.state import After
from realtime.subscription.subscription import SocketSubscription
from tests.realtime.connection.in_memory import PATIENCE, Connection, event, frame

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
