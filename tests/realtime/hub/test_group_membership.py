"""Group memberships on each layer that a project may use."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from channels.layers import BaseChannelLayer, channel_layers
from pytest_django import Settings

from realtime.metrics import counts
from tests.realtime.hub.conftest import Inbox, Members
from tests.realtime.layers import redis_layer
from tests.servers import Redis
from tests.waiting import until_in_loop


@pytest.fixture(params=["memory", "pubsub.RedisPubSubChannelLayer", "core.RedisChannelLayer"])
def layer(request: pytest.FixtureRequest, settings: Settings) -> BaseChannelLayer:
    if request.param == "memory":
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    else:
        redis: Redis = request.getfixturevalue("redis_server")
        settings.CHANNEL_LAYERS = redis_layer(redis.url, request.param, timeout=6)
    return channel_layers["default"]


async def test_a_message_to_a_joined_group_arrives(layer: Any, members: Members, inbox: Inbox) -> None:
    groups = members(layer)
    await groups.join("a")
    await groups.join("b")
    for number, group in enumerate("abab"):
        await layer.group_send(group, {"type": "x", "n": number})
    assert sorted([await inbox.next() for _ in range(4)]) == [0, 1, 2, 3]


async def test_a_message_to_a_left_group_does_not_arrive(layer: Any, members: Members, inbox: Inbox) -> None:
    groups = members(layer)
    await groups.join("a")
    await groups.join("b")
    await groups.leave("a")
    await layer.group_send("a", {"type": "x", "n": "lost"})
    await layer.group_send("b", {"type": "x", "n": "kept"})
    assert await inbox.next() == "kept"


async def test_a_group_that_was_left_can_be_joined_again(layer: Any, members: Members, inbox: Inbox) -> None:
    groups = members(layer)
    for _ in range(3):
        await groups.join("a")
        await groups.leave("a")
    await groups.join("a")
    await layer.group_send("a", {"type": "x", "n": 1})
    assert await inbox.next() == 1


async def test_joining_twice_delivers_once(layer: Any, members: Members, inbox: Inbox) -> None:
    groups = members(layer)
    await asyncio.gather(groups.join("a"), groups.join("a"))
    await groups.join("a")
    for number in range(2):
        await layer.group_send("a", {"type": "x", "n": number})
    assert [await inbox.next() for _ in range(2)] == [0, 1]


async def test_stop_leaves_every_group(layer: Any, members: Members, inbox: Inbox) -> None:
    groups, others = members(layer), members(layer)
    for group in "abc":
        await groups.join(group)
    await others.join("c")
    await groups.stop()
    assert not groups._joined
    assert all(task.done() for task in groups._tasks)
    await layer.group_send("a", {"type": "x", "n": "lost"})
    await layer.group_send("c", {"type": "x", "n": "for the others"})
    assert await inbox.next() == "for the others"
    assert inbox.messages.empty()


async def test_a_message_that_cannot_be_handled_is_counted_and_the_next_one_arrives(
    layer: Any, members: Members, inbox: Inbox
) -> None:
    before = counts().get("errors", 0)
    await members(layer).join("a")
    await layer.group_send("a", {"type": "raise"})
    await layer.group_send("a", {"type": "x", "n": 1})
    assert await inbox.next() == 1
    assert counts()["errors"] == before + 1


@pytest.mark.parametrize("name", ["pubsub.RedisPubSubChannelLayer", "core.RedisChannelLayer"])
async def test_a_group_is_joined_when_redis_is_back(
    name: str, redis_server: Redis, settings: Settings, members: Members, inbox: Inbox
) -> None:
    settings.CHANNEL_LAYERS = redis_layer(redis_server.url, name, timeout=6)
    layer: Any = channel_layers["default"]
    redis_server.kill()
    groups = members(layer)
    await groups.join("a")
    assert "a" not in groups._joined
    redis_server.start()
    await groups._reconciling["a"]

    async def arrives() -> bool:
        with suppress(ConnectionError, OSError):  # connections to the Redis that was before
            await layer.group_send("a", {"type": "x", "n": 1})
        return not inbox.messages.empty()

    await until_in_loop(arrives)
    assert await inbox.next() == 1


async def test_a_layer_that_lost_its_members_is_joined_again(
    redis_server: Redis, settings: Settings, members: Members, inbox: Inbox
) -> None:
    settings.REALTIME = {"REJOIN_INTERVAL": 0.05}
    settings.CHANNEL_LAYERS = redis_layer(redis_server.url, "core.RedisChannelLayer", timeout=6)
    layer: Any = channel_layers["default"]
    await members(layer).join("a")
    redis_server.ask("FLUSHALL")

    async def arrives() -> bool:
        await layer.group_send("a", {"type": "x", "n": 1})
        return not inbox.messages.empty()

    await until_in_loop(arrives)
    assert await inbox.next() == 1
