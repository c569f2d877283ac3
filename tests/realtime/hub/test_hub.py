"""With any behaviour of the channel layer, each socket gets every event once and in order."""

import asyncio
from typing import Any

import pytest
from channels.layers import get_channel_layer
from django.contrib.auth.models import User
from django.db import transaction

from executions.services import notify_user, report_execution
from realtime import streams
from realtime.hub import page_cache
from realtime.hub.registry import hub_of_this_loop
from realtime.hub.sweep import sweep
from realtime.log.types import LogEvent, NumberedEvents
from realtime.publish import publish
from realtime.publishing.after_commit import numbered_head
from realtime.publishing.announcer import announce
from tests.database import in_db
from tests.realtime.clients import InProcess
from tests.realtime.layers import layer_named
from tests.realtime.traces import groups_joined, nothing_is_left
from tests.waiting import until_in_loop

NEVER = 3_600.0  # seconds
QUICK_SWEEPS = {"SWEEP_INTERVAL": 0.02, "SWEEP_GRACE": 0.02}
NO_SWEEPS = {"SWEEP_INTERVAL": NEVER}
ORDERS = {"STREAM_ACCESS": {"orders": "tests.realtime.hub.test_hub.owner_of_order"}}


def owner_of_order(user: User, id: str) -> int:
    return user.pk


def change_order(user: User, count: int = 1, data: Any = None) -> None:
    """Publishes this many events to a stream of its own, in one transaction and so in one announcement."""
    with transaction.atomic():
        for _ in range(count):
            publish(streams.own("orders", str(user.pk), "7"), "order_changed", "order", {"data": data})


async def watch_order(client: InProcess, after: int = 0) -> None:
    answer = await client.ask("subscribe_stream", {"kind": "orders", "id": "7", "after": after})
    assert answer["success"], answer


async def seqs(client: InProcess, count: int) -> list[int]:
    return [frame["seq"] for frame in await client.frames(count)]


def up_to(last: int) -> list[int]:
    return list(range(1, last + 1))


# Faults of the layer


async def test_a_lost_announcement_is_repaired_when_the_next_one_arrives(live_client, user, settings, counted):
    settings.REALTIME = ORDERS | NO_SWEEPS
    settings.CHANNEL_LAYERS = layer_named("HeldBack")
    client = await live_client(user)
    await watch_order(client)
    for _ in range(3):
        await in_db(change_order)(user)
    await get_channel_layer().deliver(0, 2)
    assert await seqs(client, 3) == up_to(3)
    assert counted["gaps_filled"] == 1


async def test_announcements_out_of_order_are_reordered_without_reading_the_log(live_client, user, settings, counted):
    settings.REALTIME = ORDERS | NO_SWEEPS | {"GAP_WAIT": NEVER}
    settings.CHANNEL_LAYERS = layer_named("HeldBack")
    client = await live_client(user)
    await watch_order(client)
    for _ in range(4):
        await in_db(change_order)(user)
    await get_channel_layer().deliver(3, 1, 2, 0)
    assert await seqs(client, 4) == up_to(4)
    assert counted["gaps_filled"] == 0


async def test_an_announcement_that_arrives_twice_is_sent_once(live_client, user, settings):
    settings.REALTIME = ORDERS | NO_SWEEPS
    settings.CHANNEL_LAYERS = layer_named("HeldBack")
    client = await live_client(user)
    await watch_order(client)
    for _ in range(2):
        await in_db(change_order)(user)
    await get_channel_layer().deliver(0, 0, 1, 0, 1)
    await in_db(change_order)(user)
    await get_channel_layer().deliver(1, 2)
    assert await seqs(client, 3) == up_to(3)


@pytest.mark.parametrize("seed", range(3))
async def test_a_layer_that_loses_doubles_and_shuffles_costs_no_event(seed, live_client, user, settings):
    settings.REALTIME = ORDERS | QUICK_SWEEPS
    settings.CHANNEL_LAYERS = layer_named("Careless", seed=seed)
    clients = [await live_client(user) for _ in range(3)]
    for client in clients:
        await watch_order(client)
    for number in range(60):
        await in_db(change_order)(user, 1 + number % 3)
    for client in clients:
        assert await seqs(client, 120) == up_to(120)


@pytest.mark.parametrize("layer", ["DropsEverything", "FailsAlways", "HangsAlways"])
async def test_with_a_layer_that_never_delivers_the_sweep_delivers_updates(
    layer, live_client, user, graph, execution, settings
):
    settings.REALTIME = QUICK_SWEEPS | {"ANNOUNCE_TIMEOUT": 0.05}
    settings.CHANNEL_LAYERS = layer_named(layer)
    client = await live_client(user)
    assert (await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk)}))["success"]
    assert (await client.ask("subscribe_graph_executions", {"graph_id": str(graph.pk)}))["success"]
    await in_db(report_execution)(execution, status="RUNNING")
    frames = await client.frames(2)
    assert {frame["channel"] for frame in frames} == {
        f"{user.pk}|graph_exec#{execution.pk}",
        f"{user.pk}|graph#{graph.pk}|executions",
    }
    await in_db(notify_user)(user, type="info", event="hey")
    assert (await client.frame())["data"]["event"] == "hey"
    await client.disconnect()
    await nothing_is_left()


async def test_without_a_layer_the_sweep_delivers_updates(live_client, user, settings):
    settings.REALTIME = QUICK_SWEEPS
    settings.CHANNEL_LAYERS = {}
    client = await live_client(user)
    await in_db(notify_user)(user, type="info", event="hey")
    assert (await client.frame())["data"]["event"] == "hey"
    await client.disconnect()
    assert hub_of_this_loop() is None


async def test_a_join_that_fails_at_first_is_tried_again(live_client, user, settings, counted):
    settings.REALTIME = NO_SWEEPS
    settings.CHANNEL_LAYERS = layer_named("JoinsLate", failures=2)
    client = await live_client(user)
    await until_in_loop(lambda: f"notifications.{user.pk}" in get_channel_layer().groups)
    await in_db(notify_user)(user, type="info", event="hey")
    assert (await client.frame())["data"]["event"] == "hey"
    assert counted["layer_errors"] == 2


async def test_a_layer_that_has_forgotten_its_members_is_joined_again(live_client, user, settings):
    settings.REALTIME = NO_SWEEPS | {"REJOIN_INTERVAL": 0.01}
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    client = await live_client(user)
    layer = get_channel_layer()
    layer.groups.clear()
    await until_in_loop(lambda: f"notifications.{user.pk}" in layer.groups)
    await in_db(notify_user)(user, type="info", event="hey")
    assert (await client.frame())["data"]["event"] == "hey"


async def test_fast_subscribes_and_unsubscribes_end_with_the_right_groups(live_client, user, execution):
    """Joins and leaves of one group overlap at every step of the loop."""
    stays = await live_client(user)
    subscription = {"graph_exec_id": str(execution.pk)}
    group = f"graph_exec.{user.pk}.{execution.pk}"
    clients = [await live_client(user) for _ in range(6)]

    async def come_and_go(client: InProcess, pause: int) -> None:
        for turn in range(8):
            await client.ask("subscribe_graph_execution", subscription)
            for _ in range((pause * turn) % 5):
                await asyncio.sleep(0)
            await client.ask("unsubscribe", subscription)

    await asyncio.gather(*(come_and_go(client, pause) for pause, client in enumerate(clients)))
    assert groups_joined() == {f"notifications.{user.pk}"}
    await stays.ask("subscribe_graph_execution", subscription)
    assert group in groups_joined()


# What arrives on a group


@pytest.mark.parametrize(
    "message",
    [
        {"type": "close"},
        {"type": "websocket.close"},
        {"type": "on.message"},
        {"type": "graph.execution.event"},
        {"type": "graph.execution.event", "key": "not watched"},
        {"type": "stream.events", "key": "{key}"},
        {"type": "stream.events", "key": "{key}", "epoch": None, "last": "x", "events": 7},
        {"type": None},
        {},
    ],
)
async def test_an_unknown_or_broken_layer_message_is_counted_and_does_no_harm(
    message, live_client, user, counted, caplog
):
    client = await live_client(user)
    key = streams.notifications(str(user.pk))
    if message.get("key") == "{key}":
        message = message | {"key": key}
    await get_channel_layer().group_send(streams.group(key), message)
    await in_db(notify_user)(user, type="info", event="hey")
    assert (await client.frame())["data"]["event"] == "hey"
    assert counted["layer_messages_unknown"] == 1
    assert not counted["errors"]


async def test_a_large_event_is_announced_without_its_data_and_read_from_the_log(live_client, user, settings):
    settings.REALTIME = ORDERS | NO_SWEEPS | {"MAX_INLINE_BYTES": 1_000}
    settings.CHANNEL_LAYERS = layer_named("HeldBack")
    client = await live_client(user)
    await watch_order(client)
    await in_db(change_order)(user, 1, "x" * 1_001)
    ((_, message),) = get_channel_layer().held
    assert "events" not in message
    await get_channel_layer().deliver()
    assert (await client.frame())["data"]["data"] == "x" * 1_001


async def test_a_transactions_events_are_one_announcement_a_stream(live_client, user, settings):
    settings.REALTIME = ORDERS | NO_SWEEPS
    settings.CHANNEL_LAYERS = layer_named("HeldBack")
    client = await live_client(user)
    await watch_order(client)
    await in_db(change_order)(user, 5)
    ((group, message),) = get_channel_layer().held
    assert group == f"stream.orders.{user.pk}.7"
    assert (message["first"], message["last"], len(message["events"])) == (1, 5, 5)


async def test_an_announcement_of_events_that_are_not_in_the_log_sends_the_events_of_the_log(
    live_client, user, settings
):
    """As after a restored backup: the log decides, not the announcement."""
    settings.REALTIME = ORDERS | NO_SWEEPS | {"GAP_WAIT": 0}
    client = await live_client(user)
    await watch_order(client)
    await in_db(change_order)(user)
    assert await seqs(client, 1) == [1]
    stream = await in_db(numbered_head)(streams.own("orders", str(user.pk), "7"))
    announce(NumberedEvents(f"{user.pk}|orders#7", stream.epoch, [LogEvent(9, "order_changed", "{}")]))
    answer = await client.frame()
    assert answer["method"] == "subscribe_stream"
    assert answer["data"] == {"epoch": stream.epoch, "head": 1, "recovered": False}
    assert await seqs(client, 1) == [1]
    await in_db(change_order)(user)
    assert await seqs(client, 1) == [2]


# Many sockets


async def test_a_hundred_sockets_get_each_event_of_a_burst_once_and_in_order(live_client, user, settings):
    settings.REALTIME = ORDERS
    clients = [await live_client(user) for _ in range(100)]
    for client in clients:
        await watch_order(client)

    def burst() -> None:
        for _ in range(100):
            change_order(user, 10)

    writing = asyncio.create_task(in_db(burst)())
    received = await asyncio.gather(*(seqs(client, 1_000) for client in clients))
    await writing
    assert all(each == up_to(1_000) for each in received)


async def test_a_reconnect_storm_reads_a_page_once_and_not_once_a_socket(live_client, user, settings, monkeypatch):
    settings.REALTIME = ORDERS | NO_SWEEPS
    await in_db(change_order)(user, 250)
    reads = []
    read_after = page_cache.read_after
    monkeypatch.setattr(page_cache, "read_after", lambda *args: reads.append(args) or read_after(*args))
    clients = [await live_client(user) for _ in range(30)]
    await asyncio.gather(*map(watch_order, clients))
    for client in clients:
        assert await seqs(client, 250) == up_to(250)
    assert len(reads) <= 6  # three pages; a socket that asks before a page is cached reads it again


async def test_the_sweep_of_a_hub_that_has_stopped_does_nothing(live_client, user):
    client = await live_client(user)
    hub = hub_of_this_loop()
    await client.disconnect()
    await sweep(hub)
