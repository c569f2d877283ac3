import asyncio
from collections.abc import Callable
from itertools import count

import pytest

from realtime.server.flow_control import FlowControl
from realtime.server.slow_reader import SlowReaderPolicy

NEVER = 3600.0


def gate_with(deadline: float = NEVER, taken: Callable[[], int] = int) -> tuple[FlowControl, "asyncio.Future[str]"]:
    """And what is wrong with the client, when it is given up."""
    given_up: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    return FlowControl(SlowReaderPolicy(deadline, 1, NEVER), taken=taken, give_up=given_up.set_result), given_up


async def turns_of_the_loop() -> None:
    """Long enough for every task that can go on to do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_an_open_gate_lets_through() -> None:
    gate, _ = gate_with()
    async with gate:
        pass
    async with gate:
        pass


async def test_senders_pass_in_the_order_in_which_they_came_one_for_each_time_it_opens() -> None:
    gate, _ = gate_with()
    passed = []

    async def send(name: str) -> None:
        async with gate:
            passed.append(name)
            gate.pauseProducing()  # what a transport does whose buffer this message has filled

    gate.pauseProducing()
    tasks = [asyncio.create_task(send(name)) for name in "abc"]
    for expected in ("", "a", "ab", "abc"):
        await turns_of_the_loop()
        assert passed == list(expected)
        gate.resumeProducing()
    await asyncio.gather(*tasks)
    gate.stopProducing()


async def test_a_late_sender_does_not_overtake_one_that_waits() -> None:
    gate, _ = gate_with()
    passed = []

    async def send(name: str) -> None:
        async with gate:
            passed.append(name)

    gate.pauseProducing()
    early = asyncio.create_task(send("early"))
    await turns_of_the_loop()
    gate.resumeProducing()
    await send("late")
    await early
    assert passed == ["early", "late"]


async def test_a_cancelled_sender_leaves_the_turn_to_the_next() -> None:
    gate, _ = gate_with()
    passed = []

    async def send(name: str) -> None:
        async with gate:
            passed.append(name)

    gate.pauseProducing()
    first, second = (asyncio.create_task(send(name)) for name in ("first", "second"))
    await turns_of_the_loop()
    first.cancel()
    gate.resumeProducing()
    await second
    with pytest.raises(asyncio.CancelledError):
        await first
    assert passed == ["second"]


async def test_a_gate_that_stays_closed_gives_up_at_its_deadline() -> None:
    gate, given_up = gate_with(deadline=0.01)
    gate.pauseProducing()
    assert await given_up == "has not read for 0.01 s"


async def test_a_gate_stays_closed_for_as_long_as_its_client_reads() -> None:
    looks = count()
    gate, given_up = gate_with(deadline=0.01, taken=lambda: min(next(looks), 40))  # it reads 40 looks long
    gate.pauseProducing()
    assert gate.is_behind
    await given_up
    assert next(looks) > 40


async def test_a_large_message_waits_for_room_before_each_piece() -> None:
    gate, _ = gate_with()
    async with gate:
        gate.pauseProducing()
        room = asyncio.create_task(gate.room())
        await turns_of_the_loop()
        assert not room.done()
        gate.resumeProducing()
        await room
    assert not gate.is_behind


@pytest.mark.parametrize("ending", ["resumeProducing", "stopProducing"])
async def test_a_gate_that_opened_or_ended_does_not_give_up(ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, given_up = gate_with(deadline=0.01)
    gate.pauseProducing()
    getattr(gate, ending)()
    later = asyncio.get_running_loop().time() + NEVER
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: later)
    await turns_of_the_loop()
    assert not given_up.done()


@pytest.mark.parametrize("ending", ["stopProducing", "finish"])
async def test_nobody_waits_once_the_connection_is_closing_or_gone(ending: str) -> None:
    gate, _ = gate_with()
    gate.pauseProducing()
    getattr(gate, ending)()
    gate.pauseProducing()  # a close frame may be what fills the buffer
    async with gate:
        pass
    gate.stopProducing()


async def test_a_client_that_does_not_take_what_was_left_for_it_is_given_up() -> None:
    gate, given_up = gate_with(deadline=0.01)
    gate.finish()
    await given_up


async def test_closing_does_not_prolong_the_deadline() -> None:
    gate, given_up = gate_with(deadline=0.01)
    gate.pauseProducing()
    since = gate._progress
    gate.finish()
    assert gate._progress is since
    await given_up


async def test_the_end_may_come_twice() -> None:
    gate, _ = gate_with()
    gate.stopProducing()
    gate.stopProducing()
