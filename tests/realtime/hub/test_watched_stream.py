"""A watched stream whose log changes: gaps, pruned events, another history."""

import asyncio
import threading
from datetime import timedelta

import pytest
from channels.layers import get_channel_layer
from django.db import OperationalError
from django.utils import timezone

from executions.services import mark_read, notify_user, report_execution, report_node
from realtime import streams
from realtime.hub import page_cache, start
from realtime.hub.hub import Hub
from realtime.hub.registry import hub_of_this_loop
from realtime.hub.sweep import sweep
from realtime.log.retention import prune
from realtime.models import Stream, StreamEvent
from tests.database import in_db
from tests.realtime.clients import PATIENCE
from tests.realtime.layers import layer_named

NO_SWEEPS = {"SWEEP_INTERVAL": 3_600.0}


def report_nodes(execution, count):
    for number in range(count):
        report_node(execution, node_id=f"n{number}", status="QUEUED")


def report_one_node(execution, statuses):
    for status in statuses:
        report_node(execution, node_id="n", status=status)


def give_another_epoch(key):
    Stream.objects.filter(key=key).update(epoch="another")


def go_back(key, head, **changes):
    """As after a restored backup."""
    StreamEvent.objects.filter(stream__key=key, seq__gt=head).delete()
    Stream.objects.filter(key=key).update(head=head, **changes)


def forget(key):
    StreamEvent.objects.filter(stream__key=key).delete()
    Stream.objects.filter(key=key).delete()


def prune_all(key):
    return prune(Stream.objects.get(key=key).pk, timezone.now() + timedelta(seconds=1))


@pytest.fixture
def key(user, execution):
    return streams.graph_exec(str(user.pk), str(execution.pk))


@pytest.fixture
def held_read(monkeypatch):
    """The next read of a page sets `started` when it has read, and returns after `go`."""

    class Held:
        started, go = threading.Event(), threading.Event()

    read_after = page_cache.read_after

    def read_and_wait(*args):
        page = read_after(*args)
        if not Held.started.is_set():
            Held.started.set()
            assert Held.go.wait(60)
        return page

    monkeypatch.setattr(page_cache, "read_after", read_and_wait)
    yield Held
    Held.go.set()


async def has_happened(event):
    assert await asyncio.to_thread(event.wait, PATIENCE)


async def restarted(hub, key):
    """Returns when the stream has begun another history and its readers know."""
    await asyncio.wait({hub.streams[key]._restarting}, timeout=PATIENCE)


# Gaps


async def test_a_gap_longer_than_a_page_is_read_by_the_subscriptions(live_client, user, execution, settings):
    settings.REALTIME = NO_SWEEPS | {"PAGE_EVENTS": 5, "GAP_WAIT": 0}
    settings.CHANNEL_LAYERS = layer_named("HeldBack")
    client = await live_client(user)
    await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 1})
    await in_db(report_nodes)(execution, 23)
    await get_channel_layer().deliver(22)
    assert [frame["seq"] for frame in await client.frames(23)] == list(range(2, 25))


async def test_announcements_that_come_while_a_gap_is_read_need_no_snapshot(
    live_client, user, execution, settings, held_read
):
    settings.REALTIME = NO_SWEEPS | {"GAP_WAIT": 0}
    settings.CHANNEL_LAYERS = layer_named("HeldBack")
    client = await live_client(user)
    await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 1})
    await in_db(report_nodes)(execution, 2)
    layer = get_channel_layer()
    await layer.deliver(1)
    await has_happened(held_read.started)  # it has read 2 and 3
    await in_db(report_one_node)(execution, ["QUEUED", "RUNNING"])
    await layer.deliver(0)  # 2 and 3 have come by themselves
    await layer.deliver(3)  # and 4 is missing
    assert [frame["seq"] for frame in await client.frames(2)] == [2, 3]
    held_read.go.set()
    assert [frame["seq"] for frame in await client.frames(2)] == [4, 5]


async def test_a_gap_that_cannot_be_read_is_read_after_the_next_sweep(
    live_client, user, execution, key, settings, monkeypatch, counted
):
    settings.REALTIME = NO_SWEEPS | {"GAP_WAIT": 0, "SWEEP_GRACE": 0}
    settings.CHANNEL_LAYERS = layer_named("DropsEverything")
    client = await live_client(user)
    await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 1})
    await in_db(report_nodes)(execution, 2)

    def fail(*args):
        raise OperationalError

    with monkeypatch.context() as broken:
        broken.setattr(page_cache, "read_after", fail)
        await sweep(hub_of_this_loop())
        await asyncio.wait({hub_of_this_loop().streams[key]._filling_gap}, timeout=PATIENCE)
    assert counted["errors"] == 1
    await sweep(hub_of_this_loop())
    assert [frame["seq"] for frame in await client.frames(2)] == [2, 3]


# Pruned below a slow reader


async def test_a_reader_below_the_floor_gets_the_answer_again_a_snapshot_and_later_events(
    live_client, user, execution, key, settings, counted
):
    settings.REALTIME = {"BUFFER_EVENTS": 1, "PAGE_EVENTS": 2}
    client = await live_client(user, room=1)
    await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 1})
    statuses = ["INCOMPLETE", "QUEUED", "RUNNING", "REVIEW"] + ["RUNNING", "REVIEW"] * 10
    await in_db(report_one_node)(execution, statuses)
    await in_db(prune_all)(key)
    head = 1 + len(statuses)
    frames = await client.until(lambda frame: frame["method"] == "subscribe_graph_execution")
    before = [frame["seq"] for frame in frames[:-1]]
    assert before == list(range(2, 2 + len(before)))
    stream = await in_db(Stream.objects.get)(key=key)
    assert frames[-1]["data"] == {"epoch": stream.epoch, "head": head, "recovered": False}
    graph_event, node_event = await client.frames(2)
    assert (graph_event["method"], graph_event["seq"]) == ("graph_execution_event", 1)
    assert (node_event["data"]["status"], node_event["seq"]) == ("REVIEW", head)
    await in_db(report_execution)(execution, status="RUNNING")
    assert (await client.frame())["seq"] == head + 1
    assert counted["snapshots_forced"] == 1


async def test_a_reader_without_numbers_below_the_floor_gets_only_newer_events(
    live_client, user, execution, key, settings
):
    settings.REALTIME = {"BUFFER_EVENTS": 1, "PAGE_EVENTS": 2}
    client = await live_client(user, room=1)
    await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk)})
    statuses = ["INCOMPLETE", "QUEUED", "RUNNING", "REVIEW"] + ["RUNNING", "REVIEW"] * 10
    await in_db(report_one_node)(execution, statuses)
    await in_db(prune_all)(key)
    await in_db(report_execution)(execution, status="RUNNING")
    frames = await client.until(lambda frame: frame["method"] == "graph_execution_event")
    assert {frame["method"] for frame in frames[:-1]} == {"node_execution_event"}
    assert frames[-2]["data"]["status"] == "REVIEW"
    assert len(frames) < len(statuses)


# Another history


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
    """A restored backup of the database has the same epoch, and less."""
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
