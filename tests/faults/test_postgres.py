"""PostgreSQL is restarted, and freezes: sockets stay, heartbeats are answered, nothing is lost."""

import asyncio
from pathlib import Path

import pytest

from tests.faults.scene import Scene
from tests.servers import Server
from tests.waiting import rest_in_loop

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(120)]


def unread(server: Server) -> int:
    """How many of its connections hold what it has not read. Linux only."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    bytes_by_port = [(int(row[1].split(":")[1], 16), int(row[4].split(":")[1], 16)) for row in rows]
    return sum(port == server.port and count > 0 for port, count in bytes_by_port)


async def test_postgres_that_crashes_and_comes_back_costs_no_event_and_no_socket(scene: Scene) -> None:
    readers = await scene.many(6)
    writing = asyncio.create_task(scene.write_together(60))
    for _ in range(2):
        await scene.stage.restart(scene.stage.postgres)
        for reader in readers:
            await reader.ping()
    await writing
    await scene.write_together(20)
    await scene.all_is_well()
    assert [reader.connects for reader in readers] == [1] * 6


async def test_while_postgres_is_frozen_heartbeats_are_answered_and_nobody_reconnects(scene: Scene) -> None:
    readers = await scene.many(6)
    await scene.write_together(20)
    scene.stage.postgres.freeze()
    writing = asyncio.create_task(scene.write_together(20))
    late = scene.reader_to_be()
    late.start()
    await scene.stage.until(lambda: unread(scene.stage.postgres) >= 4, "workers and servers do not ask PostgreSQL")
    for _ in range(15):
        for reader in readers:
            await reader.ping()
        await rest_in_loop(0.2)
    assert not writing.done()
    scene.stage.postgres.thaw()
    await writing
    await scene.all_is_well()
    assert [reader.connects for reader in readers] == [1] * 6
