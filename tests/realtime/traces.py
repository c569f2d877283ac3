"""What the sockets of this loop leave behind: nothing, after they are closed."""

import asyncio
from typing import Any

from channels.layers import InMemoryChannelLayer, get_channel_layer

from realtime import streams
from realtime.hub.registry import hub_of_this_loop
from tests.realtime.clients import PATIENCE


def groups_joined() -> set[str]:
    """The groups of streams that this loop has joined, in memory or by Redis' pub/sub."""
    return all_groups_joined() - {streams.ACCESS_GROUP}


def all_groups_joined() -> set[str]:
    """The same, and the group of all processes."""
    layer: Any = get_channel_layer()
    if isinstance(layer, InMemoryChannelLayer):
        return set(layer.groups)
    own = layer._get_layer()
    return {name.removeprefix(f"{own.prefix}__group__") for name in own.groups}


def channels_open() -> set[str]:
    """The channels on which this loop listens, likewise."""
    layer: Any = get_channel_layer()
    return set(layer.channels if isinstance(layer, InMemoryChannelLayer) else layer._get_layer().channels)


def tasks() -> set[asyncio.Task[Any]]:
    """The tasks of this loop, except the test itself and the tasks of a Redis layer's connection."""
    return {
        task
        for task in asyncio.all_tasks() - {asyncio.current_task()}
        if "channels_redis" not in getattr(task.get_coro(), "cr_code", tasks.__code__).co_filename
    }


async def nothing_is_left() -> None:
    """Returns when the last task has ended, and checks that hub and layer have no socket. Raises AssertionError."""
    if left := tasks():
        _, pending = await asyncio.wait(left, timeout=PATIENCE)
        assert not pending, pending
    assert hub_of_this_loop() is None
    assert all_groups_joined() == set()
    assert channels_open() == set()
