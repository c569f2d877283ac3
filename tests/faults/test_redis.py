"""Redis dies, freezes, forgets; its messages get lost and out of order."""

import asyncio

import pytest

from tests.faults.scene import Scene

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize("seconds", [0.2, 5.0])
async def test_redis_killed_for_a_while_costs_no_event_and_no_socket(seconds: float, scene: Scene) -> None:
    readers = await scene.many(4)
    writing = asyncio.create_task(scene.write_together(100))
    scene.stage.redis.kill()
    await asyncio.sleep(seconds)
    scene.stage.redis.begin()
    await writing
    await scene.write_together(20)
    await scene.all_is_well()
    assert [reader.connects for reader in readers] == [1] * 4
