"""PostgreSQL is restarted, and freezes: sockets stay, heartbeats are answered, nothing is lost."""

import asyncio

import pytest

from tests.faults.scene import Scene

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(120)]


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
    for _ in range(15):
        for reader in readers:
            await reader.ping()
        await asyncio.sleep(0.2)
    assert not writing.done()
    scene.stage.postgres.thaw()
    await writing
    await scene.all_is_well()
    assert [reader.connects for reader in readers] == [1] * 6
