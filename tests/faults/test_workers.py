"""Workers: several on one stream, killed while they write, rolled back, and quicker than anybody reads."""

import asyncio

import pytest

from tests.faults.scene import Scene
from tests.faults.workers import WorkerDied

pytestmark = pytest.mark.postgres


async def test_two_workers_on_one_stream_make_one_history(scene: Scene) -> None:
    await scene.many(4)
    await scene.write_together(150, executions=scene.executions[:1])
    await scene.all_is_well()
    assert (await scene.stage.heads([scene.first.key]))[scene.first.key] == 1 + 2 * 150


async def test_workers_killed_while_they_write_lose_nothing_that_they_have_committed(scene: Scene) -> None:
    """Wherever it hits them: before the commit, before the numbering, before the announcement."""
    await scene.many(4)
    for number in range(4):
        worker = scene.stage.worker()
        writing = asyncio.create_task(
            worker.do("write", writer=f"dies {number}", executions=scene.executions, first=0, count=1_000)
        )
        key = (scene.executions[0], f"dies {number}")
        await scene.stage.until(lambda key=key: len(scene.stage.committed.certain[key]) > 5, "nothing is written")  # type: ignore[misc]
        worker.kill()
        with pytest.raises(WorkerDied):
            await writing
        worker.close()
    await scene.write(10)
    await scene.all_is_well()


@pytest.mark.parametrize("moment", ["before numbering", "before announcing"])
async def test_what_a_worker_had_committed_when_it_died_reaches_the_clients_of_all_servers(
    moment: str, scene: Scene
) -> None:
    readers = await scene.many(4)
    worker = scene.stage.worker()
    with pytest.raises(WorkerDied):
        await worker.do("write_and_die", execution=scene.executions[0], moment=moment)
    worker.close()
    await scene.all_is_well()
    assert {reader.histories[scene.first.key].cursor for reader in readers} == {2}


async def test_what_was_rolled_back_is_no_part_of_any_history(scene: Scene) -> None:
    readers = await scene.many(4)
    for _ in range(5):
        await scene.workers[0].do("write_and_roll_back", execution=scene.executions[0], count=10)
        await scene.write(10, worker=1, executions=scene.executions[:1])
    await scene.all_is_well()
    assert {reader.histories[scene.first.key].cursor for reader in readers} == {1 + 50}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("sockets", [1, 100])
async def test_a_burst_of_five_thousand_events_arrives_whole(sockets: int, scene: Scene) -> None:
    readers = await scene.many(sockets, [scene.first])
    await scene.workers[0].do("burst", execution=scene.executions[0], count=5_000)
    await scene.all_is_well()
    assert {reader.received for reader in readers} == {5_001}
    assert {reader.connects for reader in readers} == {1}
