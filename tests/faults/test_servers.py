"""Server processes die, stop in good order, and clients move between them."""

import asyncio

import pytest

from tests.faults.scene import Scene

pytestmark = pytest.mark.postgres


async def test_servers_killed_in_turn_cost_no_event(scene: Scene) -> None:
    readers = await scene.many(6)
    writing = asyncio.create_task(scene.write_together(150))
    for server in scene.stage.servers:
        await scene.stage.restart(server)
    await writing
    await scene.all_is_well()
    assert all(reader.connects > 1 for reader in readers if 1006 in reader.closes)


async def test_a_server_stopped_in_good_order_during_a_burst_costs_no_event(scene: Scene) -> None:
    await scene.many(10, [scene.first])
    bursting = asyncio.create_task(scene.workers[0].do("burst", execution=scene.executions[0], count=1_000))
    for server in scene.stage.servers:
        await asyncio.to_thread(server.terminate)
        await scene.stage.restart(server)
    await bursting
    await scene.all_is_well()


async def test_clients_that_move_to_and_fro_between_two_servers_miss_nothing(scene: Scene) -> None:
    one, other = scene.stage.doors
    readers = await scene.many(6, doors=[one])
    writing = asyncio.create_task(scene.write_together(100))
    for door in (other, one, other):
        for reader in readers:
            reader.doors = [door]
        await asyncio.gather(*(reader.come_back() for reader in readers))
    await writing
    await scene.all_is_well()
    inside = [await scene.stage.inside(server) for server in scene.stage.servers]
    assert [each["sockets"] for each in inside] == [0, 6]
