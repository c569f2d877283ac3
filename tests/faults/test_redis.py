"""Redis dies, freezes, forgets; its messages get lost, doubled and out of order, or are of another version."""

import asyncio
from typing import Any

import pytest

from tests.faults.reader import Reader
from tests.faults.scene import Scene

pytestmark = pytest.mark.postgres


@pytest.fixture
async def readers(scene: Scene) -> list[Reader]:
    scene.redis_was_away = True
    return await scene.many(4)


async def no_socket_was_closed(readers: list[Reader]) -> None:
    for reader in readers:
        await reader.ping()
    assert [reader.connects for reader in readers] == [1] * len(readers)
    assert [reader.errors for reader in readers] == [[]] * len(readers)


@pytest.mark.parametrize("until", ["they write", "they have written and all have read"])
async def test_redis_killed_for_a_while_costs_no_event_and_no_socket(
    until: str, scene: Scene, readers: list[Reader]
) -> None:
    writing = asyncio.create_task(scene.write_together(100))
    scene.stage.redis.kill()
    if until != "they write":
        await writing
        await scene.all_is_well()
    scene.stage.redis.begin()
    await writing
    await scene.write_together(20)
    await scene.all_is_well()
    await no_socket_was_closed(readers)


async def test_redis_that_forgets_everything_costs_no_event(scene: Scene, readers: list[Reader]) -> None:
    for _ in range(5):
        assert scene.stage.redis.ask("FLUSHALL") == "+OK"
        await scene.write_together(20)
    await scene.all_is_well()
    await no_socket_was_closed(readers)


async def test_while_redis_is_frozen_commits_and_events_and_who_comes_anew_do_not_wait_for_it(
    scene: Scene, readers: list[Reader]
) -> None:
    """Everything here happens before Redis is thawed, and what waited for it would never end."""
    scene.stage.redis.freeze()
    await scene.write_together(50)
    readers += await scene.many(2)
    await scene.all_is_well()
    assert scene.stage.redis.is_running
    scene.stage.redis.thaw()
    await scene.write_together(50)
    await scene.all_is_well()
    await no_socket_was_closed(readers)


async def test_while_redis_is_dead_sockets_come_and_subscribe_and_leave(scene: Scene, readers: list[Reader]) -> None:
    scene.stage.redis.kill()
    readers += await scene.many(4)
    await scene.write_together(20)
    await scene.all_is_well()
    await asyncio.gather(*(reader.come_back() for reader in readers))
    await scene.write_together(20)
    await scene.all_is_well()
    for reader in readers:
        await reader.ping()
    assert {code for reader in readers for code in reader.closes} == {1000}


@pytest.mark.parametrize(("lost", "held"), [(1.0, 0), (0.0, 8), (0.3, 8)], ids=["dropped", "reordered", "both"])
async def test_layer_messages_that_are_lost_doubled_or_out_of_order_cost_no_event(
    lost: float, held: int, scene: Scene, readers: list[Reader]
) -> None:
    for worker in scene.workers:
        await worker.do("mislay", lost=lost, held=held)
    try:
        await scene.write_together(60)
        await scene.workers[0].do("notify", user=scene.user["id"], count=20)
        await scene.all_is_well()
    finally:
        for worker in scene.workers:
            await worker.do("mislay")
    await no_socket_was_closed(readers)


STRANGE: list[dict[str, Any]] = [
    {"type": "event.message", "channel": "{key}", "payload": "{}"},
    {"type": "close"},
    {"type": "websocket.disconnect", "code": 1000},
    {"type": "graph.execution.event", "key": "{key}", "seq": 7, "data": {"status": "RUNNING"}},
    {"type": "node.execution.event", "key": "{key}", "epoch": "of a former one", "last": 7},
    {"type": "stream.events", "key": "{key}", "epoch": None, "last": "7", "events": [[1]]},
    {"type": "stream.renamed", "key": "{key}", "to": "another"},
    {"key": "{key}"},
]


async def test_layer_messages_of_another_version_hurt_nobody(scene: Scene, readers: list[Reader]) -> None:
    """A group has members of both versions while the program is replaced, process by process."""
    key = scene.first.key
    for message in STRANGE:
        told = {name: key if value == "{key}" else value for name, value in message.items()}
        await scene.workers[0].do("send_to_group", key=key, message=told)
        await scene.write(4)
    await scene.all_is_well()
    await no_socket_was_closed(readers)
