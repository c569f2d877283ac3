"""The groups that a process joins, on layers that work, that fail, and that are slow."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest
from channels.layers import BaseChannelLayer, InMemoryChannelLayer, channel_layers
from pytest_django import Settings

from realtime.hub import group_membership as module
from realtime.hub.group_membership import GroupMembership
from realtime.metrics import counts
from tests.realtime.layers import redis_layer
from tests.servers import Redis
from tests.waiting import until_in_loop

PATIENCE = 20.0  # seconds; only a test that fails waits for so long


class Inbox:
    """What arrived, in order."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def __call__(self, message: dict[str, Any]) -> None:
        if message.get("type") == "raise":
            raise RuntimeError("a handler that fails")
        self.messages.put_nowait(message)

    async def next(self) -> Any:
        return (await asyncio.wait_for(self.messages.get(), PATIENCE))["n"]


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def members(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., GroupMembership]]:
    """Memberships on a layer, started; they are stopped at the end."""
    monkeypatch.setattr(module, "_FIRST_RETRY", 0.01)
    made = []

    def start(layer: Any) -> GroupMembership:
        monkeypatch.setattr(module, "get_channel_layer", lambda: layer)
        made.append(GroupMembership(inbox))
        made[-1].start()
        return made[-1]

    yield start
    for each in made:
        await each.stop()


# On each layer that a project may have


@pytest.fixture(params=["memory", "pubsub.RedisPubSubChannelLayer", "core.RedisChannelLayer"])
def layer(request: pytest.FixtureRequest, settings: Settings) -> BaseChannelLayer:
    if request.param == "memory":
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    else:
        redis: Redis = request.getfixturevalue("redis_server")
        settings.CHANNEL_LAYERS = redis_layer(redis.url, request.param, timeout=6)
    return channel_layers["default"]


Members = Callable[..., GroupMembership]


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


# On a layer that fails and waits as the test says


class Played(InMemoryChannelLayer):
    """Its joins and leaves wait until `gate` is open, and fail as often as `failures` says."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.failures = 0
        self.failing_receives = 0
        self.deaf_receives = 0
        self.calls: list[str] = []
        self.is_called = asyncio.Event()

    async def _play(self, call: str) -> None:
        self.calls.append(call)
        self.is_called.set()
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise ConnectionError("as the test wants it")

    async def group_add(self, group: str, channel: str) -> None:
        await self._play(f"join {group}")
        await super().group_add(group, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        await self._play(f"leave {group}")
        await super().group_discard(group, channel)

    async def receive(self, channel: str) -> Any:
        if self.failing_receives:
            self.failing_receives -= 1
            raise ConnectionError("as the test wants it")
        while self.deaf_receives:
            try:
                return await super().receive(channel)
            except asyncio.CancelledError:
                self.deaf_receives -= 1
        return await super().receive(channel)

    async def until_called(self) -> None:
        await asyncio.wait_for(self.is_called.wait(), PATIENCE)
        self.is_called.clear()


@pytest.fixture
def played() -> Played:
    return Played()


async def reconciled(groups: GroupMembership, group: str) -> None:
    while group in groups._reconciling:
        await asyncio.wait({groups._reconciling[group]})
        await asyncio.sleep(0)


async def test_a_join_is_tried_until_it_succeeds(played: Played, members: Members, inbox: Inbox) -> None:
    played.failures = 5
    before = counts().get("layer_errors", 0)
    groups = members(played)
    await groups.join("a")
    await reconciled(groups, "a")
    assert counts()["layer_errors"] == before + 5
    await played.group_send("a", {"type": "x", "n": 1})
    assert await inbox.next() == 1


async def test_a_join_that_takes_too_long_does_not_hold_up_its_caller(
    played: Played, members: Members, settings: Settings
) -> None:
    settings.REALTIME = {"JOIN_TIMEOUT": 0.01}
    groups = members(played)
    played.gate.clear()
    await groups.join("a")
    assert not played.groups
    played.gate.set()
    await reconciled(groups, "a")
    assert set(played.groups) == {"a"}


async def test_a_leave_during_a_join_leaves_afterwards(played: Played, members: Members, settings: Settings) -> None:
    settings.REALTIME = {"JOIN_TIMEOUT": 0.01}
    groups = members(played)
    played.gate.clear()
    await groups.join("a")
    await groups.leave("a")
    played.gate.set()
    await reconciled(groups, "a")
    assert played.calls == ["join a", "leave a"]
    assert not played.groups


async def test_a_join_during_a_leave_joins_afterwards(played: Played, members: Members, settings: Settings) -> None:
    settings.REALTIME = {"JOIN_TIMEOUT": 0.01}
    groups = members(played)
    await groups.join("a")
    played.gate.clear()
    await groups.leave("a")
    await groups.join("a")
    played.gate.set()
    await reconciled(groups, "a")
    assert played.calls == ["join a", "leave a", "join a"]
    assert set(played.groups) == {"a"}


async def test_a_join_at_the_end_of_a_leave_is_not_lost(played: Played, members: Members) -> None:
    groups = members(played)
    await groups.join("a")
    groups.leave_soon("a")
    leaving = groups._reconciling["a"]
    while not leaving.done():
        await asyncio.sleep(0)
    await groups.join("a")  # before the end of the leave is noticed
    await reconciled(groups, "a")
    assert set(played.groups) == {"a"}


async def test_a_failed_join_that_may_have_reached_the_layer_is_left(
    played: Played, members: Members, settings: Settings
) -> None:
    """A join whose answer is lost: the layer has added the channel, and the caller gets an error."""
    settings.REALTIME = {"JOIN_TIMEOUT": 0.01}
    groups = members(played)
    await InMemoryChannelLayer.group_add(played, "a", groups.channel)
    played.failures = 1
    played.gate.clear()
    await groups.join("a")
    await groups.leave("a")
    played.gate.set()
    await reconciled(groups, "a")
    assert not played.groups


async def test_a_leave_that_fails_is_tried_until_it_succeeds(played: Played, members: Members) -> None:
    groups = members(played)
    await groups.join("a")
    played.failures = 3
    groups.leave_soon("a")
    await reconciled(groups, "a")
    assert not played.groups


async def test_the_groups_do_not_wait_for_each_other(played: Played, members: Members, settings: Settings) -> None:
    settings.REALTIME = {"JOIN_TIMEOUT": 0.01}
    groups = members(played)
    played.gate.clear()
    await groups.join("a")
    await groups.join("b")
    assert played.calls == ["join a", "join b"]
    played.gate.set()


async def test_a_group_that_is_left_while_it_is_joined_again_stays_left(
    played: Played, members: Members, settings: Settings
) -> None:
    settings.REALTIME = {"REJOIN_INTERVAL": 0.01, "JOIN_TIMEOUT": 0.01}
    groups = members(played)
    await groups.join("a")
    played.is_called.clear()
    played.gate.clear()
    await played.until_called()  # the reminder is under way
    assert played.calls == ["join a", "join a"]
    leave = asyncio.ensure_future(groups.leave("a"))
    await asyncio.sleep(0)
    played.gate.set()
    await leave
    await reconciled(groups, "a")
    await asyncio.sleep(0)
    await reconciled(groups, "a")
    assert not played.groups


async def test_receiving_goes_on_after_errors(played: Played, members: Members, inbox: Inbox) -> None:
    played.failing_receives = 4
    groups = members(played)
    await groups.join("a")
    await played.group_send("a", {"type": "x", "n": 1})
    assert await inbox.next() == 1


async def test_stop_leaves_a_group_that_is_being_joined(played: Played, members: Members, settings: Settings) -> None:
    settings.REALTIME = {"JOIN_TIMEOUT": 0.01}
    groups = members(played)
    played.gate.clear()
    await groups.join("a")
    stopping = asyncio.ensure_future(groups.stop())
    await asyncio.sleep(0)
    played.gate.set()
    await stopping
    assert not played.groups
    assert not groups._reconciling


async def test_stop_does_not_wait_for_a_layer_that_does_not_answer(
    played: Played, members: Members, settings: Settings
) -> None:
    settings.REALTIME = {"JOIN_TIMEOUT": 0.01, "ANNOUNCE_TIMEOUT": 0.01}
    groups = members(played)
    await groups.join("a")
    played.gate.clear()
    await asyncio.wait_for(groups.stop(), PATIENCE)
    assert all(task.done() for task in groups._tasks)
    played.gate.set()


async def test_stop_ends_even_if_the_layer_swallows_a_cancellation(played: Played, members: Members) -> None:
    played.deaf_receives = 2
    groups = members(played)
    await groups.join("a")
    await groups.stop()
    assert all(task.done() for task in groups._tasks)


async def test_without_a_layer_nothing_is_joined_and_nothing_fails(members: Members) -> None:
    groups = members(None)
    await groups.join("a")
    await groups.leave("a")
    groups.leave_soon("a")
    await groups.stop()


async def test_the_channel_name_is_valid_for_layers(members: Members, played: Played) -> None:
    channel = members(played).channel
    assert BaseChannelLayer().require_valid_channel_name(channel)
    assert len({members(played).channel for _ in range(5)} | {channel}) == 6
