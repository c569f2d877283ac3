"""The sweep finds the events whose announcements were lost."""

import asyncio
import logging
import threading
from types import SimpleNamespace

import pytest
from channels.layers import get_channel_layer
from django.db import OperationalError, transaction

from executions.services import notify_user, report_execution, report_node
from realtime import streams
from realtime.hub import sweep as sweep_module
from realtime.hub.registry import hub_of_this_loop
from realtime.hub.sweep import number_leftovers, sweep
from realtime.log import store
from realtime.models import StreamEvent
from realtime.publishing import after_commit, leftovers
from tests.database import in_db
from tests.realtime.layers import layer_named
from tests.waiting import until_in_loop

NO_SWEEPS = {"SWEEP_INTERVAL": 3_600.0, "SWEEP_GRACE": 0.0}
QUICK_SWEEPS = {"SWEEP_INTERVAL": 0.02, "SWEEP_GRACE": 0.0}


@pytest.fixture
def dies_before_numbering(monkeypatch):
    """Runs work as a writer that dies between its commit and the numbering."""

    def commit(work, *args, **kwargs):
        with monkeypatch.context() as dead:
            dead.setattr(after_commit.AfterCommit, "__call__", lambda self: None)
            with transaction.atomic():  # outside of one, the insert would give the number
                return work(*args, **kwargs)

    return commit


async def test_unnumbered_events_of_a_dead_writer_are_numbered_and_delivered(
    live_client, user, execution, settings, dies_before_numbering
):
    settings.REALTIME = NO_SWEEPS
    client = await live_client(user)
    await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 1})
    await in_db(dies_before_numbering)(report_execution, execution, status="RUNNING")
    await in_db(dies_before_numbering)(report_node, execution, node_id="n", status="QUEUED")
    await sweep(hub_of_this_loop())
    assert [frame["seq"] for frame in await client.frames(2)] == [2, 3]


async def test_events_of_a_stream_without_sockets_are_numbered_too(
    live_client, user, other_user, settings, dies_before_numbering
):
    settings.REALTIME = NO_SWEEPS
    await live_client(user)
    await in_db(dies_before_numbering)(notify_user, other_user, type="info", event="hey")
    assert await sweep(hub_of_this_loop())
    await number_leftovers()
    assert (await in_db(StreamEvent.objects.get)()).seq == 1


async def test_a_stream_that_cannot_be_numbered_does_not_hold_up_the_others(
    live_client, user, other_user, settings, dies_before_numbering, monkeypatch, counted, caplog
):
    settings.REALTIME = NO_SWEEPS
    client = await live_client(user)
    for each in (other_user, user):
        await in_db(dies_before_numbering)(notify_user, each, type="info", event="hey")
    number_and_announce = after_commit.number_and_announce

    def fail_for_one(keys, **options):
        if streams.notifications(str(other_user.pk)) in keys:
            raise OperationalError
        return number_and_announce(keys, **options)

    monkeypatch.setattr(leftovers, "number_and_announce", fail_for_one)
    await sweep(hub_of_this_loop())
    await number_leftovers()
    assert (await client.frame())["data"]["event"] == "hey"
    assert counted["numbering_failed"] == 1
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_a_numbered_event_without_an_announcement_is_delivered(live_client, user, settings, counted):
    settings.REALTIME = NO_SWEEPS
    settings.CHANNEL_LAYERS = layer_named("DropsEverything")
    client = await live_client(user)
    await in_db(notify_user)(user, type="info", event="hey")
    await sweep(hub_of_this_loop())
    assert (await client.frame())["data"]["event"] == "hey"
    assert counted["heads_repaired"] == 1


async def test_a_late_announcement_is_not_counted_as_lost(live_client, user, settings, counted, monkeypatch):
    settings.REALTIME = NO_SWEEPS
    settings.CHANNEL_LAYERS = layer_named("HeldBack")
    client = await live_client(user)
    await in_db(notify_user)(user, type="info", event="hey")
    is_in_grace, grace_is_over = asyncio.Event(), asyncio.Event()

    async def grace(seconds):
        is_in_grace.set()
        await grace_is_over.wait()

    monkeypatch.setattr(sweep_module, "asyncio", SimpleNamespace(sleep=grace))
    sweeping = asyncio.create_task(sweep(hub_of_this_loop()))
    await is_in_grace.wait()
    await get_channel_layer().deliver()
    assert (await client.frame())["data"]["event"] == "hey"
    grace_is_over.set()
    await sweeping
    assert counted["heads_repaired"] == 0


async def test_watched_leftovers_are_delivered_while_others_hang(
    live_client, user, settings, monkeypatch, dies_before_numbering
):
    settings.REALTIME = QUICK_SWEEPS
    others_hang, may_go_on = threading.Event(), threading.Event()

    def hang(after):
        others_hang.set()
        assert may_go_on.wait(60)

    monkeypatch.setattr(sweep_module, "number_next", hang)
    client = await live_client(user)
    for text in ("first", "second", "third"):
        await in_db(dies_before_numbering)(notify_user, user, type="info", event=text)
        assert (await client.frame())["data"]["event"] == text
    await until_in_loop(others_hang.is_set)
    may_go_on.set()


async def test_sweeps_run_by_themselves_and_continue_after_a_failure(live_client, user, settings, monkeypatch, counted):
    settings.REALTIME = QUICK_SWEEPS
    settings.CHANNEL_LAYERS = layer_named("DropsEverything")
    failures = iter([OperationalError, OperationalError])
    heads = store.read_heads

    def fail_twice(ids):
        for failure in failures:
            raise failure
        return heads(ids)

    monkeypatch.setattr(store, "read_heads", fail_twice)
    client = await live_client(user)
    await in_db(notify_user)(user, type="info", event="hey")
    assert (await client.frame())["data"]["event"] == "hey"


async def test_a_deleted_stream_ends_for_its_sockets_and_they_stay_open(live_client, user, graph, execution, settings):
    """The announcement of its end has been lost."""
    settings.REALTIME = NO_SWEEPS
    settings.CHANNEL_LAYERS = layer_named("DropsEverything")
    client = await live_client(user)
    await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk)})
    await in_db(execution.delete)()
    await sweep(hub_of_this_loop())
    assert await client.frame() == {
        "method": "error",
        "data": None,
        "success": False,
        "channel": None,
        "error": "Graph execution not found",
    }
    assert set(hub_of_this_loop().streams) == {streams.notifications(str(user.pk))}
    await client.ping()
