"""A watched stream whose log gets another history."""

import pytest
from django.db import OperationalError

from executions.services import mark_read, notify_user, report_execution
from realtime import streams
from realtime.hub import start
from realtime.hub.hub import Hub
from realtime.hub.registry import hub_of_this_loop
from realtime.hub.sweep import sweep
from tests.database import in_db
from tests.realtime.hub.changes import NO_SWEEPS, forget, give_another_epoch, go_back, report_nodes, restarted


async def test_another_epoch_sends_the_answer_again_a_snapshot_and_later_events(
    live_client, user, execution, key, settings
):
    settings.REALTIME = NO_SWEEPS
    client = await live_client(user)
    await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 1}, id="7")
    await in_db(give_another_epoch)(key)
    await sweep(hub_of_this_loop())
    answer, graph_event = await client.frames(2)
    assert answer == {
        "method": "subscribe_graph_execution",
        "data": {"epoch": "another", "head": 1, "recovered": False},
        "success": True,
        "channel": key,
        "error": None,
    }
    assert (graph_event["method"], graph_event["seq"]) == ("graph_execution_event", 1)
    await in_db(report_nodes)(execution, 2)
    assert [frame["seq"] for frame in await client.frames(2)] == [2, 3]


async def test_after_database_failures_every_reader_reaches_the_new_history(
    live_client, user, execution, key, settings, monkeypatch
):
    settings.REALTIME = {"SWEEP_INTERVAL": 0.05}
    await in_db(report_nodes)(execution, 5)
    clients = [await live_client(user) for _ in range(3)]
    for client in clients:
        await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 6})
    newest_by_entity = start.newest_by_entity
    failures = iter([OperationalError] * 5)

    def fail_at_first(*args, **kwargs):
        for failure in failures:
            raise failure
        return newest_by_entity(*args, **kwargs)

    monkeypatch.setattr(start, "newest_by_entity", fail_at_first)
    await in_db(go_back)(key, 2, epoch="another")
    for client in clients:
        answer, *snapshot = await client.frames(3)
        assert answer["data"] == {"epoch": "another", "head": 2, "recovered": False}
        assert [frame["seq"] for frame in snapshot] == [1, 2]
    await in_db(report_nodes)(execution, 2)
    for client in clients:
        assert [frame["seq"] for frame in await client.frames(2)] == [3, 4]


async def test_an_announcement_of_another_epoch_starts_the_new_history(live_client, user, execution, key, settings):
    settings.REALTIME = NO_SWEEPS
    client = await live_client(user)
    await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 1})
    await in_db(give_another_epoch)(key)
    await in_db(report_nodes)(execution, 1)
    answer, *snapshot = await client.frames(3)
    assert answer["data"] == {"epoch": "another", "head": 2, "recovered": False}
    assert [frame["seq"] for frame in snapshot] == [1, 2]


async def test_another_epoch_sends_no_notification_twice_to_a_reader_without_numbers(live_client, user, settings):
    settings.REALTIME = NO_SWEEPS
    client = await live_client(user)
    await in_db(notify_user)(user, type="info", event="old")
    assert (await client.frame())["data"]["event"] == "old"
    await in_db(give_another_epoch)(streams.notifications(str(user.pk)))
    hub = hub_of_this_loop()
    await sweep(hub)
    await restarted(hub, streams.notifications(str(user.pk)))
    await in_db(notify_user)(user, type="info", event="new")
    assert (await client.frame())["data"]["event"] == "new"


async def test_another_epoch_sends_a_reader_without_numbers_the_present_state(
    live_client, user, execution, key, settings
):
    settings.REALTIME = NO_SWEEPS
    client = await live_client(user)
    await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk)})
    await in_db(give_another_epoch)(key)
    await sweep(hub_of_this_loop())
    frame = await client.frame()
    assert frame["method"] == "graph_execution_event"
    assert "seq" not in frame


async def test_a_restored_log_sends_the_snapshot_of_what_it_holds(live_client, user, execution, key, settings):
    """A restored backup of the database has the same epoch, and fewer events."""
    settings.REALTIME = NO_SWEEPS
    client = await live_client(user)
    await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 1})
    await in_db(report_nodes)(execution, 3)
    await client.frames(3)

    await in_db(go_back)(key, 2)
    await sweep(hub_of_this_loop())
    answer, *snapshot = await client.frames(3)
    assert (answer["data"]["head"], answer["data"]["recovered"]) == (2, False)
    assert [frame["seq"] for frame in snapshot] == [1, 2]
    await in_db(report_execution)(execution, status="RUNNING")
    assert (await client.frame())["seq"] == 3


@pytest.mark.parametrize("replay", ["all", "latest", "none"])
async def test_the_answer_to_a_subscribe_is_of_the_history_that_began_meanwhile(
    replay, live_client, user, execution, key, settings, monkeypatch
):
    settings.REALTIME = NO_SWEEPS
    await in_db(report_nodes)(execution, 5)
    first, second = await live_client(user), await live_client(user)
    await first.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk)})
    subscribe = Hub.subscribe

    async def subscribe_and_go_back(hub, subscription):
        stream = await subscribe(hub, subscription)
        await in_db(go_back)(key, 2, epoch="another")
        await sweep(hub)
        await restarted(hub, key)
        return stream

    monkeypatch.setattr(Hub, "subscribe", subscribe_and_go_back)
    answer = await second.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "replay": replay})
    assert (answer["data"]["epoch"], answer["data"]["head"]) == ("another", 2)
    replayed = [] if replay == "none" else [1, 2]
    assert [frame["seq"] for frame in await second.frames(len(replayed))] == replayed
    await in_db(report_nodes)(execution, 4)
    assert [frame["seq"] for frame in await second.frames(4)] == [3, 4, 5, 6]


async def test_after_their_stream_is_deleted_later_notifications_arrive(live_client, user, settings):
    settings.REALTIME = NO_SWEEPS
    plain, numbered = await live_client(user), await live_client(user)
    await numbered.ask("subscribe_notifications", {"after": 0})
    await in_db(notify_user)(user, type="info", event="old")
    for client in (plain, numbered):
        assert (await client.frame())["data"]["event"] == "old"
    await in_db(forget)(streams.notifications(str(user.pk)))
    await sweep(hub_of_this_loop())
    answer = await numbered.frame()
    assert (answer["method"], answer["data"]["head"]) == ("subscribe_notifications", 0)
    await in_db(notify_user)(user, type="info", event="new")
    for client in (plain, numbered):
        assert (await client.frame())["data"]["event"] == "new"


async def test_notifications_recorded_before_a_new_history_is_noticed_are_not_lost(live_client, user, settings):
    settings.REALTIME = NO_SWEEPS
    client = await live_client(user)
    await in_db(notify_user)(user, type="info", event="old")
    assert (await client.frame())["data"]["event"] == "old"
    await in_db(forget)(streams.notifications(str(user.pk)))
    for number in range(3):
        await in_db(notify_user)(user, type="info", event=f"new {number}")
    assert [frame["data"]["event"] for frame in await client.frames(3)] == ["new 0", "new 1", "new 2"]


async def test_only_readers_with_numbers_get_read_states(live_client, user):
    plain, numbered = await live_client(user), await live_client(user)
    await numbered.ask("subscribe_notifications", {"after": 0})
    notification = await in_db(notify_user)(user, type="info", event="hey")
    await in_db(mark_read)(user)
    await in_db(notify_user)(user, type="info", event="ho")
    assert [frame["data"].get("event") for frame in await plain.frames(2)] == ["hey", "ho"]
    _, read, _ = await numbered.frames(3)
    assert (read["method"], read["data"]) == (
        "notification_read",
        {"ids": [str(notification.pk)], "read": True},
    )
