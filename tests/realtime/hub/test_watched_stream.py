"""A watched stream with gaps and with pruned events."""

import asyncio
import threading

import pytest
from channels.layers import get_channel_layer
from django.db import OperationalError

from executions.services import report_execution
from realtime.hub import page_cache
from realtime.hub.registry import hub_of_this_loop
from realtime.hub.sweep import sweep
from realtime.models import Stream
from tests.database import in_db
from tests.realtime.clients import PATIENCE
from tests.realtime.hub.changes import (
    NO_SWEEPS,
    prune_all,
    report_nodes,
    report_one_node,
)
from tests.realtime.layers import layer_named


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
