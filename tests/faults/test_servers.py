"""Server processes die, stop in good order, and clients move between them."""

import asyncio

import pytest

from tests.faults.scenario import Scenario

pytestmark = pytest.mark.postgres


async def test_servers_killed_in_turn_lose_no_event(scenario: Scenario) -> None:
    readers = await scenario.start_readers(6)
    writing = asyncio.create_task(scenario.write_together(150))
    for server in scenario.cluster.servers:
        await scenario.cluster.restart(server)
    await writing
    await scenario.assert_complete()
    assert all(reader.connects > 1 for reader in readers if 1006 in reader.closes)


async def test_a_server_that_stops_during_a_burst_loses_no_event(scenario: Scenario) -> None:
    await scenario.start_readers(10, [scenario.first])
    bursting = asyncio.create_task(scenario.workers[0].do("burst", execution=scenario.executions[0], count=1_000))
    for server in scenario.cluster.servers:
        await asyncio.to_thread(server.terminate)
        await scenario.cluster.restart(server)
    await bursting
    await scenario.assert_complete()


async def test_clients_that_move_between_two_servers_miss_no_event(scenario: Scenario) -> None:
    one, other = scenario.cluster.urls
    readers = await scenario.start_readers(6, urls=[one])
    writing = asyncio.create_task(scenario.write_together(100))
    for url in (other, one, other):
        for reader in readers:
            reader.urls = [url]
        await asyncio.gather(*(reader.reconnect() for reader in readers))
    await writing
    await scenario.assert_complete()
    inside = [await scenario.cluster.inside(server) for server in scenario.cluster.servers]
    assert [each["sockets"] for each in inside] == [0, 6]
