"""Subscribes that cross each other, a replay, or an unsubscribe."""

import pytest

from tests.faults.reader import Reader
from tests.faults.scene import Scene

pytestmark = pytest.mark.postgres


async def in_a_replay(scene: Scene, events: int) -> Reader:
    """One that has just got the first ones of them."""
    await scene.workers[0].do("burst", execution=scene.executions[0], count=events)
    reader = scene.reader_to_be([scene.first])
    reader.start()
    await scene.stage.until(lambda: reader.received > 0, "nothing comes")
    return reader


async def test_a_subscribe_again_and_again_during_a_replay_starts_it_again_each_time(scene: Scene) -> None:
    reader = await in_a_replay(scene, 2_000)
    for cursor in (0, 0, 1_000, 0):
        await reader.subscribe_again(scene.first.key, cursor)
    await scene.write(20, executions=scene.executions[:1])
    await reader.ping()
    await scene.stage.until(lambda: not reader._restarts, "a subscribe was not answered")
    await scene.all_is_well()


async def test_a_subscribe_without_a_number_during_a_replay_is_only_answered(scene: Scene) -> None:
    reader = await in_a_replay(scene, 2_000)
    for _ in range(5):
        await reader.ask(scene.first.method, scene.first.data)
    await scene.write(20, executions=scene.executions[:1])
    await scene.all_is_well()
    assert reader.received == 2_021


async def test_an_unsubscribe_during_a_replay_ends_it_and_the_next_subscribe_goes_on_from_there(scene: Scene) -> None:
    """The oracle counts an event after the answer to the unsubscribe as one that nobody asked for."""
    reader = await in_a_replay(scene, 2_000)
    history = reader.histories[scene.first.key]
    for _ in range(5):
        await reader.ask("unsubscribe", scene.first.data)
        await scene.stage.until(lambda: not history.is_answered, "the unsubscribe was not answered")
        await reader.ping()
        await reader.subscribe(scene.first.key)
        await scene.stage.until(lambda: history.is_answered, "the subscribe was not answered")
    await scene.write(20, executions=scene.executions[:1])
    await scene.all_is_well()
    assert reader.received == 2_021
