"""Group memberships on a layer that fails and waits as the test says."""

import asyncio
from typing import Any

import pytest
from channels.layers import BaseChannelLayer, InMemoryChannelLayer
from pytest_django import Settings

from realtime.hub.group_membership import GroupMembership
from realtime.metrics import counts
from tests.realtime.hub.conftest import PATIENCE, Inbox, Members
from tests.waiting import until_in_loop


class Played(InMemoryChannelLayer):
    """A layer whose joins and leaves wait until `gate` is open. The next `failures` of them fail."""

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


async def test_a_leave_that_failed_is_repeated_behind_a_join(played: Played, members: Members) -> None:
    """The pub/sub layer of channels_redis forgets its member before it tells Redis. It ignores a second leave."""
    groups = members(played)
    await groups.join("a")
    played.failures = 1
    groups.leave_soon("a")
    await reconciled(groups, "a")
    assert played.calls == ["join a", "leave a", "join a", "leave a"]


async def test_a_group_that_is_wanted_again_after_a_failed_leave_is_joined_anew(
    played: Played, members: Members
) -> None:
    groups = members(played)
    await groups.join("a")
    played.failures = 1
    groups.leave_soon("a")
    while played.failures:
        await asyncio.sleep(0)
    await groups.join("a")
    await reconciled(groups, "a")
    assert played.calls == ["join a", "leave a", "join a", "leave a", "join a"]
    assert set(played.groups) == {"a"}


async def test_with_a_layer_that_forgets_members_the_number_of_groups_in_doubt_is_bounded(
    played: Played, members: Members, settings: Settings
) -> None:
    settings.REALTIME = {"MAX_DOUBTFUL_GROUPS": 3}
    groups = members(played)
    names = [str(number) for number in range(10)]
    for name in names:
        await groups.join(name)
    played.failures = 1_000
    for name in names:
        groups.leave_soon(name)
    await until_in_loop(lambda: len(groups._reconciling) == 3)
    assert len(groups._doubtful) == len(groups._touched) == 3
    played.failures = 0
    await until_in_loop(lambda: not groups._reconciling)
    assert not groups._doubtful


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
    await played.until_called()  # the second join is running
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
