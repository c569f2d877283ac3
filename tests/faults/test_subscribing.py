"""Subscribes that cross each other, a replay, or an unsubscribe."""

import pytest

from tests.faults.reader import Reader
from tests.faults.scenario import Scenario

pytestmark = pytest.mark.postgres


async def start_replay(scenario: Scenario, events: int) -> Reader:
    """A reader that has received only the first events of a replay."""
    await scenario.workers[0].do("burst", execution=scenario.executions[0], count=events)
    reader = scenario.create_reader([scenario.first])
    reader.start()
    await scenario.cluster.until(lambda: reader.received > 0, "nothing comes")
    return reader


async def test_each_subscribe_during_a_replay_restarts_it(scenario: Scenario) -> None:
    reader = await start_replay(scenario, 2_000)
    for cursor in (0, 0, 1_000, 0):
        await reader.subscribe_again(scenario.first.key, cursor)
    await scenario.write(20, executions=scenario.executions[:1])
    await reader.ping()
    await scenario.cluster.until(lambda: not reader._restarts, "a subscribe was not answered")
    await scenario.assert_complete()


async def test_a_subscribe_without_a_number_during_a_replay_is_only_answered(scenario: Scenario) -> None:
    reader = await start_replay(scenario, 2_000)
    for _ in range(5):
        await reader.ask(scenario.first.method, scenario.first.data)
    await scenario.write(20, executions=scenario.executions[:1])
    await scenario.assert_complete()
    assert reader.received == 2_021


async def test_an_unsubscribe_ends_a_replay_and_the_next_subscribe_continues_it(
    scenario: Scenario,
) -> None:
    """The checker counts an event after the answer to the unsubscribe as unasked."""
    reader = await start_replay(scenario, 2_000)
    history = reader.histories[scenario.first.key]
    for _ in range(5):
        await reader.ask("unsubscribe", scenario.first.data)
        await scenario.cluster.until(lambda: not history.is_answered, "the unsubscribe was not answered")
        await reader.ping()
        await reader.subscribe(scenario.first.key)
        await scenario.cluster.until(lambda: history.is_answered, "the subscribe was not answered")
    await scenario.write(20, executions=scenario.executions[:1])
    await scenario.assert_complete()
    assert reader.received == 2_021
