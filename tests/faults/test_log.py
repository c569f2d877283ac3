"""The log is not what a client thinks: pruned below it, of another clock, taken back to an earlier state."""

import asyncio
from typing import Any

import pytest

from tests.faults.reader import Reader
from tests.faults.scene import Scene

pytestmark = pytest.mark.postgres


def snapshots(readers: list[Reader]) -> list[int]:
    return [sum(history.snapshots for history in reader.histories.values()) for reader in readers]


async def test_who_is_below_a_pruned_log_is_told_so_and_gets_a_snapshot(scene: Scene) -> None:
    away, here = await scene.many(2, [scene.first])
    await away.stop()
    await scene.write(100, executions=scene.executions[:1])
    await here.reach(await scene.stage.heads([scene.first.key]))
    assert await scene.workers[1].do("prune", key=scene.first.key) > 90
    scene.stage.committed.forget(scene.executions[0])
    away.start()
    await scene.write(20, executions=scene.executions[:1])
    await scene.all_is_well()
    assert snapshots([away, here]) == [1, 0]


async def test_pruning_while_workers_write_and_clients_come_and_go_costs_them_at_most_a_replay(scene: Scene) -> None:
    readers = await scene.many(6, [scene.first])
    scene.stage.committed.forget(scene.executions[0])
    writing = asyncio.create_task(scene.write(200, executions=scene.executions[:1]))
    while not writing.done():
        await scene.workers[1].do("prune", key=scene.first.key)
        await asyncio.gather(*(reader.come_back() for reader in readers[:3]))
    await writing
    await scene.all_is_well()


@pytest.mark.parametrize("days", [-1.0, 1.0], ids=["a day behind", "a day ahead"])
async def test_clocks_that_are_off_by_a_day_cost_no_event_and_no_order(days: float, scene: Scene) -> None:
    """What is written goes by numbers; and a prune takes only a whole beginning, whatever the clocks say."""
    away, *here = await scene.many(4, [scene.first])
    scene.stage.committed.forget(scene.executions[0])
    await away.stop()
    for _ in range(5):
        await scene.write(20, executions=scene.executions[:1])
        await scene.stage.heads([scene.first.key])
        await scene.workers[1].do("shift_clock", key=scene.first.key, days=days, last=10)
        await scene.workers[1].do("prune", key=scene.first.key, days_from_now=-0.5)
    away.start()
    await scene.all_is_well()
    assert snapshots([away, *here]) == [0, 0, 0, 0]  # an event of today stands before all of them


@pytest.mark.parametrize("with_new_epoch", [True, False], ids=["with a new epoch", "without"])
async def test_a_restored_backup_is_told_to_everybody_who_knows_more_than_it_does(
    with_new_epoch: bool, scene: Scene
) -> None:
    away, *here = readers = await scene.many(4, [scene.first])
    await scene.write(50, executions=scene.executions[:1])
    await scene.all_is_well()
    await away.stop()
    scene.stage.committed.forget(scene.executions[0])
    head = await scene.workers[1].do("take_back", key=scene.first.key, events=20, with_new_epoch=with_new_epoch)
    scene.stage.seen.clear()
    # Without an epoch of its own the restored log is told from the former one by its head, so this has to be seen
    # before as much has been written again: `manage.py new_epochs` is for all other cases.
    for reader in here:
        await scene.stage.until(lambda reader=reader: snapshots([reader]) == [1], "nobody is told")  # type: ignore[misc]
    away.start()
    await scene.stage.until(lambda: snapshots([away]) == [1], "who was away is not told")
    await scene.write(50, executions=scene.executions[:1])
    await scene.all_is_well()
    assert snapshots(readers) == [1, 1, 1, 1]
    assert {reader.histories[scene.first.key].cursor for reader in readers} == {head + 50}


@pytest.mark.parametrize(
    ("after", "answer"),
    [
        (10**6, "a snapshot"),
        (2**63 - 1, "a snapshot"),
        (2**63, "an error"),
        (-1, "an error"),
        (1.5, "an error"),
        ("7", "an error"),
        (True, "an error"),
        ([], "an error"),
    ],
)
async def test_an_after_that_makes_no_sense_is_answered_and_costs_nothing(
    after: Any, answer: str, scene: Scene
) -> None:
    reader = await scene.reader([scene.first])
    await reader.ask(scene.first.method, {**scene.first.data, "after": after})
    await reader.ping()
    await scene.write(10, executions=scene.executions[:1])
    await scene.all_is_well()
    assert snapshots([reader]) == [int(answer == "a snapshot")]
    assert reader.errors == (["Invalid message data. Refer to the API schema"] if answer == "an error" else [])
    assert reader.connects == 1
