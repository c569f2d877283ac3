"""Redis dies, freezes, forgets; its messages get lost, doubled and out of order, or are of another version."""

import asyncio
from typing import Any

import pytest

from tests.faults.reader import Reader
from tests.faults.scenario import Scenario

pytestmark = pytest.mark.postgres


@pytest.fixture
async def readers(scenario: Scenario) -> list[Reader]:
    scenario.redis_was_away = True
    return await scenario.start_readers(4)


async def assert_no_socket_was_closed(readers: list[Reader]) -> None:
    for reader in readers:
        await reader.ping()
    assert [reader.connects for reader in readers] == [1] * len(readers)
    assert [reader.errors for reader in readers] == [[]] * len(readers)


@pytest.mark.parametrize("until", ["they write", "they have written and all have read"])
async def test_an_outage_of_redis_loses_no_event_and_no_socket(
    until: str, scenario: Scenario, readers: list[Reader]
) -> None:
    writing = asyncio.create_task(scenario.write_together(100))
    scenario.cluster.redis.kill()
    if until != "they write":
        await writing
        await scenario.assert_complete()
    scenario.cluster.redis.begin()
    await writing
    await scenario.write_together(20)
    await scenario.assert_complete()
    await assert_no_socket_was_closed(readers)


async def test_a_flush_of_redis_loses_no_event(scenario: Scenario, readers: list[Reader]) -> None:
    for _ in range(5):
        assert scenario.cluster.redis.ask("FLUSHALL") == "+OK"
        await scenario.write_together(20)
    await scenario.assert_complete()
    await assert_no_socket_was_closed(readers)


async def test_commits_events_and_new_sockets_do_not_wait_for_a_frozen_redis(
    scenario: Scenario, readers: list[Reader]
) -> None:
    """Redis stays frozen until the end, so anything that waited for it would fail the test."""
    scenario.cluster.redis.freeze()
    await scenario.write_together(50)
    readers += await scenario.start_readers(2)
    await scenario.assert_complete()
    assert scenario.cluster.redis.is_running
    scenario.cluster.redis.thaw()
    await scenario.write_together(50)
    await scenario.assert_complete()
    await assert_no_socket_was_closed(readers)


async def test_sockets_connect_subscribe_and_close_while_redis_is_down(
    scenario: Scenario, readers: list[Reader]
) -> None:
    scenario.cluster.redis.kill()
    readers += await scenario.start_readers(4)
    await scenario.write_together(20)
    await scenario.assert_complete()
    await asyncio.gather(*(reader.reconnect() for reader in readers))
    await scenario.write_together(20)
    await scenario.assert_complete()
    for reader in readers:
        await reader.ping()
    assert {code for reader in readers for code in reader.closes} == {1000}


@pytest.mark.parametrize(("lost", "held"), [(1.0, 0), (0.0, 8), (0.3, 8)], ids=["dropped", "reordered", "both"])
async def test_lost_doubled_and_reordered_layer_messages_lose_no_event(
    lost: float, held: int, scenario: Scenario, readers: list[Reader]
) -> None:
    for worker in scenario.workers:
        await worker.do("lose_messages", lost=lost, held=held)
    try:
        await scenario.write_together(60)
        await scenario.workers[0].do("notify", user=scenario.user["id"], count=20)
        await scenario.assert_complete()
    finally:
        for worker in scenario.workers:
            await worker.do("lose_messages")
    await assert_no_socket_was_closed(readers)


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


async def test_layer_messages_of_another_version_are_ignored(scenario: Scenario, readers: list[Reader]) -> None:
    """A group has members of both versions during a rolling upgrade."""
    key = scenario.first.key
    for message in STRANGE:
        told = {name: key if value == "{key}" else value for name, value in message.items()}
        await scenario.workers[0].do("send_to_group", key=key, message=told)
        await scenario.write(4)
    await scenario.assert_complete()
    await assert_no_socket_was_closed(readers)
