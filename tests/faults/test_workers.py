"""Workers: several on one stream, killed while they write, rolled back, and quicker than anybody reads."""

import asyncio

import pytest

from tests.faults.scenario import Scenario
from tests.faults.workers import WorkerDied

pytestmark = pytest.mark.postgres


async def test_two_workers_on_one_stream_make_contiguous_events(scenario: Scenario) -> None:
    await scenario.start_readers(4)
    await scenario.write_together(150, executions=scenario.executions[:1])
    await scenario.assert_complete()
    assert (await scenario.cluster.heads([scenario.first.key]))[scenario.first.key] == 1 + 2 * 150


async def test_killed_workers_lose_no_committed_event(scenario: Scenario) -> None:
    """The kill can come before the commit, before the numbering, or before the announcement."""
    await scenario.start_readers(4)
    for number in range(4):
        worker = scenario.cluster.worker()
        writing = asyncio.create_task(
            worker.do("write", writer=f"dies {number}", executions=scenario.executions, first=0, count=1_000)
        )
        key = (scenario.executions[0], f"dies {number}")
        await scenario.cluster.until(
            lambda key=key: len(scenario.cluster.committed.certain[key]) > 5, "nothing is written"
        )  # type: ignore[misc]
        worker.kill()
        with pytest.raises(WorkerDied):
            await writing
        worker.close()
    await scenario.write(10)
    await scenario.assert_complete()


@pytest.mark.parametrize("moment", ["before numbering", "before announcing"])
async def test_the_last_commit_of_a_killed_worker_reaches_the_clients_of_all_servers(
    moment: str, scenario: Scenario
) -> None:
    readers = await scenario.start_readers(4)
    worker = scenario.cluster.worker()
    with pytest.raises(WorkerDied):
        await worker.do("write_and_die", execution=scenario.executions[0], moment=moment)
    worker.close()
    await scenario.assert_complete()
    assert {reader.histories[scenario.first.key].cursor for reader in readers} == {2}


async def test_rolled_back_events_are_never_sent(scenario: Scenario) -> None:
    readers = await scenario.start_readers(4)
    for _ in range(5):
        await scenario.workers[0].do("write_and_roll_back", execution=scenario.executions[0], count=10)
        await scenario.write(10, worker=1, executions=scenario.executions[:1])
    await scenario.assert_complete()
    assert {reader.histories[scenario.first.key].cursor for reader in readers} == {1 + 50}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("sockets", [1, 100])
async def test_a_burst_of_five_thousand_events_arrives_completely(sockets: int, scenario: Scenario) -> None:
    readers = await scenario.start_readers(sockets, [scenario.first])
    await scenario.workers[0].do("burst", execution=scenario.executions[0], count=5_000)
    await scenario.assert_complete()
    assert {reader.received for reader in readers} == {5_001}
    assert {reader.connects for reader in readers} == {1}
