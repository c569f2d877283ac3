"""Concurrent callers share one call, and no result is older than its call."""

import asyncio

import pytest

from realtime.aio.single_flight import SingleFlight, SingleFlightGroup


class Log:
    """Counts its reads. Each returns the head at its start, after `gate` is set."""

    def __init__(self) -> None:
        self.head = 0
        self.begun = 0
        self.fails = False
        self.gate = asyncio.Event()

    async def read(self) -> int:
        self.begun += 1
        head = self.head
        await self.gate.wait()
        if self.fails:
            raise ConnectionError
        return head


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_concurrent_callers_share_a_read() -> None:
    log = Log()
    shared = SingleFlight(log.read)
    asking = [asyncio.ensure_future(shared.read()) for _ in range(100)]
    log.gate.set()
    assert await asyncio.gather(*asking) == [0] * 100
    assert log.begun == 1


async def test_no_caller_gets_a_result_that_is_older_than_its_call() -> None:
    log = Log()
    shared = SingleFlight(log.read)
    early = asyncio.ensure_future(shared.read())
    await turns()
    log.head = 1
    late = [asyncio.ensure_future(shared.read()) for _ in range(100)]
    await turns()
    assert log.begun == 1
    log.gate.set()
    assert await early == 0
    assert await asyncio.gather(*late) == [1] * 100
    assert log.begun == 2


async def test_a_call_after_a_result_reads_again() -> None:
    log = Log()
    log.gate.set()
    shared = SingleFlight(log.read)
    for head in range(5):
        log.head = head
        assert await shared.read() == head


async def test_a_failed_read_fails_for_all_its_callers_and_the_next_one_is_new() -> None:
    log = Log()
    log.gate.set()
    log.fails = True
    shared = SingleFlight(log.read)
    answers = await asyncio.gather(*(shared.read() for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in answers] == [ConnectionError] * 3
    log.fails = False
    assert await shared.read() == 0
    assert log.begun == 2


async def test_a_cancelled_caller_does_not_cancel_the_read_of_others() -> None:
    log = Log()
    shared = SingleFlight(log.read)
    first, second = asyncio.ensure_future(shared.read()), asyncio.ensure_future(shared.read())
    await turns()
    first.cancel()
    await turns()
    log.gate.set()
    assert await second == 0
    assert log.begun == 1


@pytest.mark.parametrize("others", [0, 1], ids=["running", "waiting for another one"])
async def test_a_read_without_waiting_callers_is_cancelled(others: int) -> None:
    log = Log()
    shared = SingleFlight(log.read)
    before = [asyncio.ensure_future(shared.read()) for _ in range(others)]
    await turns()
    goes = asyncio.ensure_future(shared.read())
    await turns()
    goes.cancel()
    await turns()
    stays = asyncio.ensure_future(shared.read())
    await turns()
    log.gate.set()
    assert await stays == 0
    assert await asyncio.gather(*before) == [0] * others
    assert log.begun == 2
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_only_callers_with_the_same_key_share_a_call_and_nothing_is_kept() -> None:
    shared: SingleFlightGroup[int] = SingleFlightGroup()
    logs = {"one": Log(), "other": Log()}
    logs["other"].head = 7
    asking = [asyncio.ensure_future(shared.read(name, logs[name].read)) for name in ("one", "other", "one", "other")]
    await turns()
    late = asyncio.ensure_future(shared.read("one", logs["one"].read))
    for log in logs.values():
        log.gate.set()
    assert await asyncio.gather(*asking) == [0, 7, 0, 7]
    assert await late == 0
    assert (logs["one"].begun, logs["other"].begun) == (2, 1)
    assert not shared._flights


async def test_a_key_without_waiting_callers_is_removed() -> None:
    shared: SingleFlightGroup[int] = SingleFlightGroup()
    log = Log()
    asking = asyncio.ensure_future(shared.read("it", log.read))
    await turns()
    asking.cancel()
    await turns()
    assert not shared._flights
