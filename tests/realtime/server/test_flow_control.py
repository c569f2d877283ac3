"""When senders wait, and when a slow client is given up."""

import asyncio
from collections.abc import Callable
from itertools import count

import pytest

from realtime.server.flow_control import FlowControl
from realtime.server.slow_reader import SlowReaderPolicy

NEVER = 3600.0


def make_flow(
    stall_timeout: float = NEVER, count_taken: Callable[[], int] = int
) -> tuple[FlowControl, "asyncio.Future[str]"]:
    """A flow control, and the fault of the client once it is too slow."""
    fault: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    policy = SlowReaderPolicy(stall_timeout, 1, NEVER)
    return FlowControl(policy, count_taken=count_taken, on_slow_reader=fault.set_result), fault


async def run_ready_tasks() -> None:
    """Runs the event loop until no task can continue."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_sender_does_not_wait_while_writing_is_not_paused() -> None:
    flow, _ = make_flow()
    async with flow:
        pass
    async with flow:
        pass


async def test_senders_write_in_the_order_in_which_they_came_one_for_each_resume() -> None:
    flow, _ = make_flow()
    sent = []

    async def send(name: str) -> None:
        async with flow:
            sent.append(name)
            flow.pause_writing()  # as a transport does when this message has filled its buffer

    flow.pause_writing()
    tasks = [asyncio.create_task(send(name)) for name in "abc"]
    for expected in ("", "a", "ab", "abc"):
        await run_ready_tasks()
        assert sent == list(expected)
        flow.resume_writing()
    await asyncio.gather(*tasks)
    flow.connection_lost()


async def test_a_late_sender_does_not_overtake_one_that_waits() -> None:
    flow, _ = make_flow()
    sent = []

    async def send(name: str) -> None:
        async with flow:
            sent.append(name)

    flow.pause_writing()
    early = asyncio.create_task(send("early"))
    await run_ready_tasks()
    flow.resume_writing()
    await send("late")
    await early
    assert sent == ["early", "late"]


async def test_after_a_cancelled_sender_the_next_one_writes() -> None:
    flow, _ = make_flow()
    sent = []

    async def send(name: str) -> None:
        async with flow:
            sent.append(name)

    flow.pause_writing()
    first, second = (asyncio.create_task(send(name)) for name in ("first", "second"))
    await run_ready_tasks()
    first.cancel()
    flow.resume_writing()
    await second
    with pytest.raises(asyncio.CancelledError):
        await first
    assert sent == ["second"]


async def test_a_client_that_does_not_read_is_given_up_after_the_stall_timeout() -> None:
    flow, fault = make_flow(stall_timeout=0.01)
    flow.pause_writing()
    assert await fault == "has not read for 0.01 s"


async def test_writing_may_be_paused_for_as_long_as_the_client_reads() -> None:
    checks = count()
    flow, fault = make_flow(stall_timeout=0.01, count_taken=lambda: min(next(checks), 40))  # it reads for 40 checks
    flow.pause_writing()
    assert flow.is_behind
    await fault
    assert next(checks) > 40


async def test_a_large_message_waits_before_each_piece_while_writing_is_paused() -> None:
    flow, _ = make_flow()
    async with flow:
        flow.pause_writing()
        drain = asyncio.create_task(flow.drain())
        await run_ready_tasks()
        assert not drain.done()
        flow.resume_writing()
        await drain
    assert not flow.is_behind


@pytest.mark.parametrize("ending", ["resume_writing", "connection_lost"])
async def test_a_client_is_not_given_up_after_a_resume_or_a_lost_connection(
    ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow, fault = make_flow(stall_timeout=0.01)
    flow.pause_writing()
    getattr(flow, ending)()
    later = asyncio.get_running_loop().time() + NEVER
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: later)
    await run_ready_tasks()
    assert not fault.done()


@pytest.mark.parametrize("ending", ["connection_lost", "start_closing"])
async def test_no_sender_waits_once_the_connection_is_closing_or_lost(ending: str) -> None:
    flow, _ = make_flow()
    flow.pause_writing()
    getattr(flow, ending)()
    flow.pause_writing()  # the close frame itself may fill the buffer
    async with flow:
        pass
    flow.connection_lost()


async def test_a_client_that_does_not_read_the_rest_while_closing_is_given_up() -> None:
    flow, fault = make_flow(stall_timeout=0.01)
    flow.start_closing()
    await fault


async def test_closing_does_not_restart_the_stall_timeout() -> None:
    flow, fault = make_flow(stall_timeout=0.01)
    flow.pause_writing()
    since = flow._progress
    flow.start_closing()
    assert flow._progress is since
    await fault


async def test_a_connection_may_be_lost_twice() -> None:
    flow, _ = make_flow()
    flow.connection_lost()
    flow.connection_lost()


def test_twisted_calls_the_same_methods_by_its_own_names() -> None:
    assert FlowControl.pauseProducing is FlowControl.pause_writing
    assert FlowControl.resumeProducing is FlowControl.resume_writing
    assert FlowControl.stopProducing is FlowControl.connection_lost
