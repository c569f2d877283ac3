"""PostgreSQL restarts or freezes: sockets stay open, heartbeats are answered, and no event is lost."""

import asyncio
from pathlib import Path

import pytest

from tests.faults.scenario import Scenario
from tests.servers import Server
from tests.waiting import rest_in_loop

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(120)]


def unread(server: Server) -> int:
    """How many connections of the server have unread bytes. Linux only."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    bytes_by_port = [(int(row[1].split(":")[1], 16), int(row[4].split(":")[1], 16)) for row in rows]
    return sum(port == server.port and count > 0 for port, count in bytes_by_port)


async def test_a_crash_of_postgres_loses_no_event_and_no_socket(scenario: Scenario) -> None:
    readers = await scenario.start_readers(6)
    writing = asyncio.create_task(scenario.write_together(60))
    for _ in range(2):
        await scenario.cluster.restart(scenario.cluster.postgres)
        for reader in readers:
            await reader.ping()
    await writing
    await scenario.write_together(20)
    await scenario.assert_complete()
    assert [reader.connects for reader in readers] == [1] * 6


async def test_while_postgres_is_frozen_heartbeats_are_answered_and_no_client_reconnects(scenario: Scenario) -> None:
    readers = await scenario.start_readers(6)
    await scenario.write_together(20)
    scenario.cluster.postgres.freeze()
    writing = asyncio.create_task(scenario.write_together(20))
    late = scenario.create_reader()
    late.start()
    await scenario.cluster.until(
        lambda: unread(scenario.cluster.postgres) >= 4, "workers and servers do not ask PostgreSQL"
    )
    for _ in range(15):
        for reader in readers:
            await reader.ping()
        await rest_in_loop(0.2)
    assert not writing.done()
    scenario.cluster.postgres.thaw()
    await writing
    await scenario.assert_complete()
    assert [reader.connects for reader in readers] == [1] * 6
