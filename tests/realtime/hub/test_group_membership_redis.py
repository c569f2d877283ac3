"""What a real Redis says about groups that were left while it was away."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from channels.layers import channel_layers
from pytest_django import Settings
from redis.exceptions import RedisError

from realtime.hub.group_membership import GroupMembership
from realtime.redis_connection import LongWaitConnection
from tests.realtime.hub.conftest import Inbox, Members
from tests.realtime.layers import redis_layer
from tests.servers import Redis
from tests.waiting import until_in_loop

MARK = "__group__"  # in the Redis channel of a group
LEFT = [f"left-{number}" for number in range(40)]


def groups_in(redis: Redis) -> set[str]:
    """The groups to which somebody is subscribed."""
    return {each.split(MARK)[1] for each in redis.words("PUBSUB CHANNELS") if MARK in each}


@pytest.fixture
async def layer(redis_server: Redis, settings: Settings) -> AsyncIterator[Any]:
    """The pub/sub layer with the connection class of the project's settings."""
    config = redis_layer(redis_server.url, timeout=1)
    config["default"]["CONFIG"]["hosts"][0]["connection_class"] = LongWaitConnection
    settings.CHANNEL_LAYERS = config
    layer: Any = channel_layers["default"]
    yield layer
    redis_server.thaw()
    await layer.flush()


async def joined(groups: GroupMembership, redis: Redis) -> None:
    for group in (*LEFT, "kept"):
        await groups.join(group)
    await until_in_loop(lambda: groups_in(redis) == {*LEFT, "kept"})


async def reconnected(layer: Any, inbox: Inbox) -> None:
    """Returns when a message arrives through Redis."""
    while not inbox.messages.empty():
        inbox.messages.get_nowait()

    async def arrives() -> bool:
        try:
            await layer.group_send("kept", {"type": "x", "n": 1})
        except (RedisError, OSError):  # a connection to the Redis that was before
            return False
        return not inbox.messages.empty()

    await until_in_loop(arrives)


@pytest.mark.parametrize("accident", [Redis.kill, Redis.freeze])
async def test_groups_that_are_left_while_redis_is_away_are_unsubscribed_when_it_is_back(
    accident: Callable[[Redis], Any], redis_server: Redis, layer: Any, members: Members, inbox: Inbox
) -> None:
    groups = members(layer)
    await joined(groups, redis_server)
    accident(redis_server)
    for group in LEFT:
        await groups.leave(group)
    await groups.join(LEFT[0])  # it is wanted again before Redis is back
    for _ in range(2):  # each new connection subscribes again
        redis_server.restart()
        await reconnected(layer, inbox)
        await until_in_loop(lambda: not groups._reconciling)
        await until_in_loop(lambda: groups_in(redis_server) == {LEFT[0], "kept"})
        await layer.group_send(LEFT[0], {"type": "x", "n": LEFT[0]})
        while await inbox.next() != LEFT[0]:  # the messages of `reconnected` come before it
            pass


async def test_groups_that_are_left_while_redis_is_frozen_are_unsubscribed_when_it_goes_on(
    redis_server: Redis, layer: Any, members: Members, inbox: Inbox
) -> None:
    groups = members(layer)
    await joined(groups, redis_server)
    redis_server.freeze()
    for group in LEFT:
        await groups.leave(group)
    redis_server.thaw()
    await reconnected(layer, inbox)
    await until_in_loop(lambda: groups_in(redis_server) == {"kept"})


@pytest.mark.parametrize("comes_first", [True, False])
async def test_groups_that_a_stopped_membership_could_not_leave_are_left_by_the_next_one(
    comes_first: bool, redis_server: Redis, layer: Any, members: Members, inbox: Inbox
) -> None:
    groups = members(layer)
    await joined(groups, redis_server)
    redis_server.kill()
    if comes_first:  # while the other one stops
        successor = members(layer)
        await successor.join("kept")
    not_left = await groups.stop()
    assert len(not_left) >= len(LEFT)  # the first unsubscribe may still have gone out
    if not comes_first:
        successor = members(layer)
    successor.inherit(not_left)
    await successor.join("kept")
    redis_server.start()
    await reconnected(layer, inbox)
    await until_in_loop(lambda: groups_in(redis_server) == {"kept"})
    assert not successor._former


async def test_the_core_layer_leaves_groups_when_redis_is_back(
    redis_server: Redis, settings: Settings, members: Members
) -> None:
    settings.CHANNEL_LAYERS = redis_layer(redis_server.url, "core.RedisChannelLayer", timeout=1)
    groups = members(channel_layers["default"])
    for group in LEFT:
        await groups.join(group)
    assert len(redis_server.words("KEYS *left-*")) == len(LEFT)
    redis_server.freeze()
    for group in LEFT:
        groups.leave_soon(group)
    redis_server.thaw()
    await until_in_loop(lambda: not redis_server.words("KEYS *left-*"))
