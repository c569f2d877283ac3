"""Each event loop has one hub, from its first socket to its last."""

import asyncio

from executions.services import notify_user
from realtime import asgi_extension
from realtime.hub.group_membership import GroupMembership
from realtime.hub.registry import hub_of_this_loop, live_hubs
from tests.database import in_db
from tests.realtime.clients import InProcess
from tests.realtime.traces import nothing_is_left


async def test_a_loop_has_a_hub_from_its_first_socket_to_its_last(live_client, user):
    assert hub_of_this_loop() is None
    first = await live_client(user)
    hub = hub_of_this_loop()
    second = await live_client(user)
    assert hub_of_this_loop() is hub
    assert live_hubs() == [hub]
    await first.disconnect()
    assert hub_of_this_loop() is hub
    await second.disconnect()
    assert hub_of_this_loop() is None
    assert live_hubs() == []


async def test_a_socket_that_connects_while_the_last_one_leaves_gets_a_working_hub(live_client, user):
    for _ in range(5):
        goes = await live_client(user)
        _, comes = await asyncio.gather(goes.disconnect(), live_client(user))
        await in_db(notify_user)(user, type="info", event="hey")
        assert (await comes.frame())["data"]["event"] == "hey"
        await comes.disconnect()
    await nothing_is_left()


async def test_what_a_hub_could_not_leave_is_left_by_the_next_hub(live_client, user, monkeypatch):
    inherited = []
    stop, inherit = GroupMembership.stop, GroupMembership.inherit

    async def stop_without_redis(self):
        return {**await stop(self), "group": self.channel}

    def note(self, former):
        inherited.append(former)
        inherit(self, former)

    monkeypatch.setattr(GroupMembership, "stop", stop_without_redis)
    monkeypatch.setattr(GroupMembership, "inherit", note)
    first = await live_client(user)
    channel = hub_of_this_loop().groups.channel
    await first.disconnect()
    second = await live_client(user)
    assert inherited == [{}, {"group": channel}]
    await second.disconnect()
    monkeypatch.undo()
    await (await live_client(user)).disconnect()
    await nothing_is_left()


def test_a_loop_that_ends_with_open_sockets_does_not_affect_the_next_loop(user):
    """As in a test that forgets to disconnect."""

    async def connect_and_forget():
        client = InProcess(user=user)
        await client.connect()
        await in_db(notify_user)(user, type="info", event="hey")
        assert (await client.frame())["data"]["event"] == "hey"

    for _ in range(3):
        asyncio.run(connect_and_forget())
    assert live_hubs() == []


async def test_the_first_socket_starts_the_background_of_another_server(live_client, user, monkeypatch):
    """Ours has started it before."""
    calls = []
    monkeypatch.setattr(asgi_extension, "start_background", lambda: calls.append("start"))
    await live_client(user)
    await live_client(user)
    assert calls == ["start"]
