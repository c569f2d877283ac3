"""The log is pruned, dated by wrong clocks, or restored from a backup, while clients hold cursors."""

import asyncio
from typing import Any

import pytest

from tests.faults.reader import Reader
from tests.faults.scenario import Scenario

pytestmark = pytest.mark.postgres


def snapshots(readers: list[Reader]) -> list[int]:
    return [sum(history.snapshots for history in reader.histories.values()) for reader in readers]


async def test_a_client_with_a_cursor_below_the_floor_gets_a_snapshot(scenario: Scenario) -> None:
    away, here = await scenario.start_readers(2, [scenario.first])
    await away.stop()
    await scenario.write(100, executions=scenario.executions[:1])
    await here.reach(await scenario.cluster.heads([scenario.first.key]))
    assert await scenario.workers[1].do("prune", key=scenario.first.key) > 90
    scenario.cluster.committed.ignore(scenario.executions[0])
    away.start()
    await scenario.write(20, executions=scenario.executions[:1])
    await scenario.assert_complete()
    assert snapshots([away, here]) == [1, 0]


async def test_pruning_beside_writers_and_reconnecting_clients_loses_no_event(
    scenario: Scenario,
) -> None:
    readers = await scenario.start_readers(6, [scenario.first])
    scenario.cluster.committed.ignore(scenario.executions[0])
    writing = asyncio.create_task(scenario.write(200, executions=scenario.executions[:1]))
    while not writing.done():
        await scenario.workers[1].do("prune", key=scenario.first.key)
        await asyncio.gather(*(reader.reconnect() for reader in readers[:3]))
    await writing
    await scenario.assert_complete()


@pytest.mark.parametrize("days", [-1.0, 1.0], ids=["a day behind", "a day ahead"])
async def test_clocks_that_are_off_by_a_day_lose_no_event_and_no_order(days: float, scenario: Scenario) -> None:
    """Delivery depends on numbers, not on clocks. Pruning ends before the first event that is not old."""
    away, *here = await scenario.start_readers(4, [scenario.first])
    scenario.cluster.committed.ignore(scenario.executions[0])
    await away.stop()
    for _ in range(5):
        await scenario.write(20, executions=scenario.executions[:1])
        await scenario.cluster.heads([scenario.first.key])
        await scenario.workers[1].do("shift_clock", key=scenario.first.key, days=days, last=10)
        await scenario.workers[1].do("prune", key=scenario.first.key, days_from_now=-0.5)
    away.start()
    await scenario.assert_complete()
    assert snapshots([away, *here]) == [0, 0, 0, 0]  # the first event is of today, so nothing is pruned


@pytest.mark.parametrize("with_new_epoch", [True, False], ids=["with a new epoch", "without"])
async def test_a_client_ahead_of_a_restored_backup_gets_a_snapshot(with_new_epoch: bool, scenario: Scenario) -> None:
    away, *here = readers = await scenario.start_readers(4, [scenario.first])
    await scenario.write(50, executions=scenario.executions[:1])
    await scenario.assert_complete()
    await away.stop()
    scenario.cluster.committed.ignore(scenario.executions[0])
    head = await scenario.workers[1].do(
        "restore_backup", key=scenario.first.key, events=20, with_new_epoch=with_new_epoch
    )
    scenario.cluster.seen.clear()
    # Without a new epoch, only the lower head shows that the log was restored. So servers must notice it before the log
    # has grown again. `manage.py new_epochs` covers all other cases.
    for reader in here:
        await scenario.cluster.until(lambda reader=reader: snapshots([reader]) == [1], "no reset was sent")  # type: ignore[misc]
    away.start()
    await scenario.cluster.until(lambda: snapshots([away]) == [1], "the reconnected reader got no reset")
    await scenario.write(50, executions=scenario.executions[:1])
    await scenario.assert_complete()
    assert snapshots(readers) == [1, 1, 1, 1]
    assert {reader.histories[scenario.first.key].cursor for reader in readers} == {head + 50}


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
async def test_an_invalid_after_is_answered_and_loses_no_event(after: Any, answer: str, scenario: Scenario) -> None:
    reader = await scenario.start_reader([scenario.first])
    await reader.ask(scenario.first.method, {**scenario.first.data, "after": after})
    await reader.ping()
    await scenario.write(10, executions=scenario.executions[:1])
    await scenario.assert_complete()
    assert snapshots([reader]) == [int(answer == "a snapshot")]
    assert reader.errors == (["Invalid message data. Refer to the API schema"] if answer == "an error" else [])
    assert reader.connects == 1
