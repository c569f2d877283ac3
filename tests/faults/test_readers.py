"""Clients that read slowly, stop reading, or disappear do not affect other clients."""

import asyncio
import random
from collections.abc import Sequence

import pytest

from tests.faults.reader import Reader
from tests.faults.scenario import Scenario
from tests.waiting import rest_in_loop

pytestmark = pytest.mark.postgres

NARROW = 4_096  # bytes of a client's receive buffer, so that the server soon notices a client that does not read


async def write_large_events(scenario: Scenario, count: int = 60) -> None:
    """Writes events of 100 KB, 6 MB in all, so that unread ones fill every buffer on the way."""
    await scenario.write(count, executions=scenario.executions[:1], size=100_000)


async def assert_unaffected(scenario: Scenario, others: Sequence[Reader]) -> None:
    """The readers receive all events on their first connection, while others still misbehave."""
    heads = await scenario.cluster.heads([scenario.first.key])
    await asyncio.gather(*(reader.reach(heads) for reader in others))
    assert [reader.connects for reader in others] == [1] * len(others)


async def test_tcp_resets_during_a_burst_lose_no_event(scenario: Scenario) -> None:
    chance = random.Random(1)
    readers = await scenario.start_readers(10, [scenario.first])
    bursting = asyncio.create_task(scenario.workers[0].do("burst", execution=scenario.executions[0], count=1_500))
    while not bursting.done():
        chance.choice(readers).reset()
        await rest_in_loop(0.02)
    await bursting
    await scenario.assert_complete()
    assert sum(reader.connects for reader in readers) > len(readers)


async def test_a_client_that_stops_reading_affects_no_other_and_later_gets_all_events(scenario: Scenario) -> None:
    others = await scenario.start_readers(3, [scenario.first])
    bad = await scenario.start_reader([scenario.first], receive_buffer=NARROW)
    bad.stop_reading()
    await write_large_events(scenario)
    await assert_unaffected(scenario, others)
    bad.resume_reading()
    await scenario.assert_complete()


async def test_four_clients_that_stop_reading_in_turn_affect_no_other(scenario: Scenario) -> None:
    others = await scenario.start_readers(3, [scenario.first])
    bad = await scenario.start_readers(4, [scenario.first], receive_buffer=NARROW)
    for reader in bad:
        reader.stop_reading()
        await write_large_events(scenario, 20)
        await assert_unaffected(scenario, others)
    for reader in bad[:2]:
        reader.reset()  # these two disconnect instead
    for reader in bad:
        reader.resume_reading()
    await scenario.assert_complete()


async def test_slow_clients_affect_no_other_and_get_all_events(scenario: Scenario) -> None:
    others = await scenario.start_readers(3, [scenario.first])
    trickles, slow = await scenario.start_readers(2, [scenario.first], receive_buffer=NARROW)
    trickles.pause, slow.pause = 0.5, 0.02
    await write_large_events(scenario)
    await assert_unaffected(scenario, others)
    trickles.pause = 0.0
    await scenario.assert_complete()


async def test_a_server_buffers_no_more_than_its_limits_for_clients_that_do_not_read(scenario: Scenario) -> None:
    """Unread events stay in the log, not in the process."""
    bad = await scenario.start_readers(4, [scenario.first], receive_buffer=NARROW)
    for reader in bad:
        reader.stop_reading()
    await scenario.write(150, executions=scenario.executions[:1], size=50_000)  # 7.5 MB for each
    inside = [await scenario.cluster.inside(server) for server in scenario.cluster.servers]
    assert sum(each["buffered"] for each in inside) <= 4 * 21  # one page of the log: PAGE_BYTES of 50 KB each
    for reader in bad:
        reader.resume_reading()
    await scenario.assert_complete()


@pytest.mark.timeout(120)
async def test_two_hundred_clients_that_reconnect_together_miss_no_event(scenario: Scenario) -> None:
    """Each missed 50 to 5,000 events."""
    await scenario.workers[0].do("burst", execution=scenario.executions[0], count=5_200)
    chance = random.Random(2)
    heads = await scenario.cluster.heads([scenario.first.key])
    ((epoch,),) = scenario.cluster.query("SELECT epoch FROM realtime_stream WHERE key = %s", scenario.first.key)
    readers = [scenario.create_reader([scenario.first]) for _ in range(200)]
    for reader in readers:
        history = reader.histories[scenario.first.key]
        history.epoch = epoch
        history.cursor = heads[scenario.first.key] - int(50 * 100 ** chance.random() ** 3)
    for reader in readers:
        reader.start()
    writing = asyncio.create_task(scenario.write(50))
    await asyncio.gather(*(reader.reach(heads) for reader in readers))
    await writing
    await scenario.assert_complete()
    assert {history.snapshots for reader in readers for history in reader.histories.values()} == {0}
