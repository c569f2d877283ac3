"""One socket in the test's own loop: what it joins and leaves, and what it does after an error."""

import asyncio
import logging

import pytest
from django.db import OperationalError

from executions.services import notify_user, report_execution, start_execution
from realtime import consumers
from realtime.hub import watched_stream
from realtime.hub.registry import hub_of_this_loop
from tests.database import in_db
from tests.realtime.clients import HandshakeRefused, InProcess
from tests.realtime.traces import channels_open, groups_joined, nothing_is_left

NOT_A_ROW = "00000000-0000-0000-0000-000000000000"


# What is joined


async def test_connecting_joins_the_notifications_of_the_user(live_client, user):
    await live_client(user)
    assert groups_joined() == {f"notifications.{user.pk}"}
    assert len(channels_open()) == 1


async def test_sockets_share_one_channel_and_one_membership(live_client, user):
    for _ in range(3):
        await live_client(user)
    assert groups_joined() == {f"notifications.{user.pk}"}
    assert len(channels_open()) == 1


async def test_subscribing_joins_the_group_of_the_stream_and_unsubscribing_leaves_it(
    live_client, user, graph, execution
):
    client = await live_client(user)
    mine = {f"notifications.{user.pk}"}
    answer = await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk)})
    assert answer["channel"] == f"{user.pk}|graph_exec#{execution.pk}"
    assert groups_joined() == mine | {f"graph_exec.{user.pk}.{execution.pk}"}
    answer = await client.ask("subscribe_graph_executions", {"graph_id": str(graph.pk)})
    assert answer["channel"] == f"{user.pk}|graph#{graph.pk}|executions"
    assert f"graph_execs.{user.pk}.{graph.pk}" in groups_joined()
    await client.ask("unsubscribe", {"graph_exec_id": str(execution.pk)})
    await client.ask("unsubscribe", {"graph_id": str(graph.pk)})
    assert groups_joined() == mine
    assert set(hub_of_this_loop().streams) == {f"{user.pk}|notifications"}


async def test_a_group_is_left_with_its_last_socket_only(live_client, user, execution):
    first, second = await live_client(user), await live_client(user)
    for client in (first, second):
        await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk)})
    await first.ask("unsubscribe", {"graph_exec_id": str(execution.pk)})
    assert f"graph_exec.{user.pk}.{execution.pk}" in groups_joined()
    await second.ask("unsubscribe", {"graph_exec_id": str(execution.pk)})
    assert f"graph_exec.{user.pk}.{execution.pk}" not in groups_joined()


# What is left behind


async def test_disconnecting_leaves_everything(live_client, user, graph, execution):
    client = await live_client(user)
    await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 0})
    await client.ask("subscribe_graph_executions", {"graph_id": str(graph.pk)})
    await client.disconnect()
    await nothing_is_left()


async def test_a_cancelled_socket_leaves_everything_without_a_disconnect_message(live_client, user, execution):
    client = await live_client(user)
    await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk)})
    await client.vanish()
    await nothing_is_left()


@pytest.mark.parametrize("how", [InProcess.disconnect, InProcess.vanish])
async def test_a_socket_that_disconnects_during_its_subscribe_leaves_everything(
    how, live_client, user, execution, frozen_database
):
    client = await live_client(user)
    await client.send("subscribe_graph_execution", {"graph_exec_id": str(execution.pk)})
    await client.ping()
    await how(client)
    frozen_database.set()
    await nothing_is_left()


@pytest.mark.parametrize("how", [InProcess.disconnect, InProcess.vanish])
async def test_a_socket_that_disconnects_during_a_second_subscribe_leaves_everything(
    how, live_client, user, execution, monkeypatch
):
    stays, goes = await live_client(user), await live_client(user)
    for _ in range(2):
        await goes.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk)})
    reads = asyncio.Event()
    monkeypatch.setattr("realtime.hub.watched_stream.in_thread", lambda *_: _forever(reads))
    await goes.send("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "replay": "none"})
    await reads.wait()
    await how(goes)
    await stays.ping()
    assert set(hub_of_this_loop().streams) == {f"{user.pk}|notifications"}
    assert groups_joined() == {f"notifications.{user.pk}"}
    await stays.disconnect()
    await nothing_is_left()


async def _forever(has_begun: asyncio.Event) -> None:
    has_begun.set()
    await asyncio.Event().wait()


async def test_a_socket_that_disconnects_while_it_connects_leaves_everything(user, monkeypatch):
    reads = asyncio.Event()
    monkeypatch.setattr("realtime.hub.watched_stream.in_thread", lambda *_: _forever(reads))
    client = InProcess(user=user)
    await client.communicator.send_input({"type": "websocket.connect"})
    client.communicator.future  # noqa: B018 - starts the application
    await reads.wait()
    await client.vanish()
    await nothing_is_left()


@pytest.mark.usefixtures("transactional_db")
async def test_a_refused_socket_leaves_nothing_behind():
    client = InProcess()
    with pytest.raises(HandshakeRefused, match="403"):
        await client.connect()
    async with InProcess("/ws?refusal=frame") as client:
        assert (await client.frame())["error"] == "Authentication required"
        assert await client.close_code() == 4001
    await nothing_is_left()


async def test_a_socket_whose_stream_cannot_be_read_is_refused_and_leaves_nothing_behind(user, monkeypatch, counted):
    def fail(key):
        raise OperationalError

    monkeypatch.setattr("realtime.hub.watched_stream.numbered_head", fail)
    client = InProcess(user=user)
    with pytest.raises(HandshakeRefused):
        await client.connect()
    await nothing_is_left()
    assert counted["errors"] == 1


async def test_a_deleted_graph_ends_the_stream_of_each_user_who_had_executions_of_it(
    live_client, user, other_user, graph, execution
):
    theirs = await in_db(start_execution)(graph, user=other_user)
    owner, other, id = await live_client(user), await live_client(other_user), str(graph.pk)
    await owner.ask("subscribe_graph_executions", {"graph_id": id})
    channel = (await other.ask("subscribe_graph_executions", {"graph_id": id, "replay": "none"}))["channel"]
    await in_db(graph.delete)()
    assert (await owner.frame())["error"] == "Graph not found"
    gone, ended = await other.frames(2)
    assert (gone["method"], gone["data"]) == ("execution_deleted", {"graph_exec_id": str(theirs.pk)})
    assert (ended["error"], ended["channel"]) == ("Graph not found", channel)


# When something goes wrong


async def test_an_unexpected_exception_is_answered_logged_and_counted_and_the_socket_stays_open(
    live_client, user, execution, monkeypatch, caplog, counted
):
    client = await live_client(user)

    def fail(*args):
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(consumers, "stream_key", fail)
        answer = await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk)}, id="7")
    assert answer == {
        "method": "error",
        "data": None,
        "success": False,
        "channel": None,
        "error": "Internal error",
        "id": "7",
    }
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert record.exc_info
    assert record.exc_info[0] is ZeroDivisionError
    assert counted["errors"] == 1
    answer = await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk)})
    assert answer["success"] is True


async def test_an_unexpected_exception_while_receiving_leaves_the_socket_open(live_client, user, monkeypatch, counted):
    client = await live_client(user)

    def fail(text):
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(consumers, "parse_request", fail)
        answer = await client.ask("heartbeat", "ping")
    assert answer["error"] == "Internal error"
    assert counted["errors"] == 1
    await client.ping()


async def test_a_failed_subscribe_keeps_the_former_subscription(live_client, user, execution, monkeypatch):
    client = await live_client(user)
    await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 1})

    def fail(*args, **kwargs):
        raise OperationalError

    for name in ("realtime.hub.watched_stream.numbered_head", "realtime.hub.start.newest_by_entity"):
        with monkeypatch.context() as broken:
            broken.setattr(name, fail)
            answer = await client.ask(
                "subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "replay": "latest"}
            )
            assert answer["error"] == "Internal error"
            answer = await client.ask("subscribe_notifications", {"replay": "latest"})
            assert answer["error"] == "Internal error"
    await in_db(report_execution)(execution, status="RUNNING")
    event = await client.frame()
    assert (event["seq"], event["data"]["status"]) == (2, "RUNNING")
    await in_db(notify_user)(user, type="info", event="hey")
    assert (await client.frame())["data"] == {"type": "info", "event": "hey"}


async def test_the_subscriptions_of_a_socket_are_limited(live_client, user, graph, settings):
    settings.REALTIME = {"MAX_SUBSCRIPTIONS": 2}
    client = await live_client(user)
    ids = [str((await in_db(start_execution)(graph, user=user)).pk) for _ in range(3)]
    answers = [await client.ask("subscribe_graph_execution", {"graph_exec_id": id}) for id in ids]
    assert [answer["error"] for answer in answers] == [None, None, "Too many subscriptions on this connection"]
    await client.ask("unsubscribe", {"graph_exec_id": ids[0]})
    assert (await client.ask("subscribe_graph_execution", {"graph_exec_id": ids[2]}))["success"] is True


async def test_a_subscribe_to_a_stream_that_ends_meanwhile_is_answered_once_with_an_error(
    live_client, user, execution, monkeypatch
):
    client = await live_client(user)
    key = f"{user.pk}|graph_exec#{execution.pk}"
    start_position = watched_stream.start_position

    def end_and_start(*args):
        hub = hub_of_this_loop()
        hub.end(hub.streams[key])
        return start_position(*args)

    monkeypatch.setattr(watched_stream, "start_position", end_and_start)
    answer = await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk)}, id="7")
    assert (answer["error"], answer["id"]) == ("Graph execution not found", "7")
    await client.ping()
    assert (await client.ask("unsubscribe", {"graph_exec_id": str(execution.pk)}))["channel"] is None


async def test_the_error_frame_of_a_refused_socket_is_counted(counted):
    client = InProcess("/ws?token=bad&refusal=frame")
    await client.connect()
    await client.frame()
    assert counted["sent_frames"] == 1
    await client.disconnect()
