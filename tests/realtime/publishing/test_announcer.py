"""The fast path: from any process, thread or loop, never raising, holding nobody up, bounded."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import msgpack
import pytest
import redis as redis_client
from channels.layers import InMemoryChannelLayer
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer, RedisPubSubLoopLayer
from pytest_django import Settings

from realtime import streams
from realtime.log.types import LogEvent, Numbered
from realtime.metrics import counts
from realtime.publishing import announcer
from realtime.publishing.announcer import AnnouncerThread, announce, announce_end
from tests.conftest import address_of_test_database
from tests.realtime.layers import redis_layer
from tests.servers import Redis
from tests.servers.process import ROOT
from tests.waiting import until_in_loop

KEY = "u1|orders#7"
GROUP = streams.group(KEY)
PATIENCE = 20.0  # seconds; only a test that fails waits for so long


def numbered(*events: tuple[str, str | None], first: int = 1, key: str = KEY) -> Numbered:
    return Numbered(key, "epoch", [LogEvent(first + n, method, data) for n, (method, data) in enumerate(events)])


def grown(name: str, before: dict[str, int]) -> int:
    return counts().get(name, 0) - before.get(name, 0)


# What is said


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """The groups and messages."""
    sent: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(announcer, "_send", lambda group, message, weight: sent.append((group, message)))
    return sent


def test_an_announcement_tells_stream_epoch_and_numbers_with_the_events(said: list[Any]) -> None:
    announce(numbered(("order_changed", '{"n":1}'), ("order_changed", "null"), first=8))
    assert said == [
        (
            GROUP,
            {
                "type": "stream.events",
                "key": KEY,
                "epoch": "epoch",
                "first": 8,
                "last": 9,
                "events": [[8, "order_changed", '{"n":1}'], [9, "order_changed", "null"]],
            },
        )
    ]


@pytest.mark.parametrize(
    ("methods", "type"),
    [
        (["graph_execution_event"], "graph.execution.event"),
        (["node_execution_event"], "node.execution.event"),
        (["node_execution_event"] * 2, "node.execution.event"),
        (["notification"], "notification.event"),
        (["graph_execution_event", "node_execution_event"], "stream.events"),
        (["notification_read"], "stream.events"),
    ],
)
def test_the_type_says_what_the_events_are(said: list[Any], methods: list[str], type: str) -> None:
    announce(numbered(*((method, "{}") for method in methods)))
    assert said[0][1]["type"] == type
    assert type in announcer.EVENT_TYPES


def test_large_data_is_not_sent_along(said: list[Any]) -> None:
    announce(numbered(("order_changed", "{}"), ("order_changed", None)))
    assert "events" not in said[0][1]
    assert (said[0][1]["first"], said[0][1]["last"]) == (1, 2)


def test_all_events_together_may_have_so_many_bytes(said: list[Any], settings: Settings) -> None:
    settings.REALTIME = {"MAX_ANNOUNCED_BYTES": 10}
    announce(numbered(("order_changed", '"ééé"'), ("order_changed", '""')))  # 8 + 2
    announce(numbered(("order_changed", '"ééé"'), ("order_changed", '"a"')))
    assert ["events" in message for _, message in said] == [True, False]


def test_the_end_of_a_stream_is_told(said: list[Any]) -> None:
    announce_end(KEY)
    assert said == [(GROUP, {"type": "stream.ended", "key": KEY})]
    assert "stream.ended" not in announcer.EVENT_TYPES


# In memory: onto the loops of the live hubs


@pytest.fixture
async def member(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[], Any]]:
    """This loop has a hub, and a member of the group: what it receives next."""
    layer = InMemoryChannelLayer()
    monkeypatch.setattr(announcer, "get_channel_layer", lambda: layer)
    monkeypatch.setattr(announcer, "_loops", {})
    await layer.group_add(GROUP, "member")
    loop = asyncio.get_running_loop()
    announcer.attach(loop)

    async def receive() -> Any:
        return await asyncio.wait_for(layer.receive("member"), PATIENCE)

    yield receive
    announcer.detach(loop)


def order(number: int) -> Numbered:
    return numbered(("order_changed", "{}"), first=number)


async def test_in_memory_it_arrives_from_the_loop_and_from_threads(member: Callable[[], Any]) -> None:
    announce(order(1))
    await asyncio.to_thread(announce, order(2))
    assert [(await member())["first"] for _ in range(2)] == [1, 2]


async def test_in_memory_the_order_is_kept(member: Callable[[], Any]) -> None:
    await asyncio.to_thread(lambda: [announce(order(number)) for number in range(1, 51)])
    assert [(await member())["first"] for _ in range(50)] == list(range(1, 51))


async def test_a_loop_that_was_closed_keeps_no_other_from_hearing(member: Callable[[], Any]) -> None:
    before = counts()
    dead = asyncio.new_event_loop()
    announcer._loops = {dead: 1, **announcer._loops}
    dead.close()
    announce(order(1))
    assert (await member())["first"] == 1
    assert dead not in announcer._loops
    announcer.detach(dead)
    assert not grown("announcements_failed", before)


async def test_a_loop_hears_until_its_last_hub_has_stopped(member: Callable[[], Any]) -> None:
    loop = asyncio.get_running_loop()
    announcer.attach(loop)
    announcer.detach(loop)
    announce(order(1))
    assert (await member())["first"] == 1


async def test_in_memory_a_layer_that_fails_is_counted(
    member: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*args: Any) -> None:
        raise ConnectionError

    before = counts()
    monkeypatch.setattr(InMemoryChannelLayer, "group_send", fail)
    announce(order(1))
    while announcer._sends or not grown("announcements_failed", before):
        await asyncio.sleep(0)
    assert grown("announcements_failed", before) == 1


def test_without_a_socket_in_the_process_nothing_is_sent_and_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    before = counts()
    monkeypatch.setattr(announcer, "get_channel_layer", InMemoryChannelLayer)
    announce(order(1))
    assert not grown("announcements_failed", before)


@pytest.mark.parametrize("trouble", [None, RuntimeError("no such backend")])
def test_without_a_layer_nothing_fails(trouble: Exception | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def get_channel_layer() -> None:
        if trouble:
            raise trouble

    before = counts()
    monkeypatch.setattr(announcer, "get_channel_layer", get_channel_layer)
    announce(order(1))
    announce_end(KEY)
    assert grown("announcements_failed", before) == (2 if trouble else 0)


# Through the thread


class Played:
    """A layer that reaches other processes. It sends while its gate is open, and fails when told so."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.is_sending = threading.Event()
        self.fails = False
        self.sent: list[dict[str, Any]] = []

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        self.is_sending.set()
        await until_in_loop(self.gate.is_set)
        if self.fails:
            raise ConnectionError
        self.sent.append(message)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Iterator[Played]:
    layer = Played()
    announcer.flush()
    monkeypatch.setattr(announcer, "get_channel_layer", lambda: layer)
    yield layer
    layer.gate.set()
    announcer.flush()


def threads() -> int:
    return sum(thread.name == "realtime-announcer" for thread in threading.enumerate())


def all_sent() -> None:
    """Waits until the thread has sent everything, or given it up."""
    thread = announcer._announcer
    assert thread
    with thread._idle:
        assert thread._idle.wait_for(lambda: not thread._waiting, PATIENCE)


def test_what_is_announced_is_sent_in_order(played: Played) -> None:
    for number in range(1, 101):
        announce(order(number))
    announcer.flush()
    assert [message["first"] for message in played.sent] == list(range(1, 101))


def test_who_announces_in_a_row_goes_on_when_it_is_sent(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcer, "IN_A_ROW", PATIENCE)
    monkeypatch.setattr(announcer, "HEAD_START", PATIENCE)
    announce(order(1))
    all_sent()
    for number in range(2, 51):
        announce(order(number))
        assert [message["first"] for message in played.sent] == list(range(1, number + 1))


def test_who_announces_in_a_row_does_not_wait_behind_another_one(
    played: Played, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.REALTIME = {"ANNOUNCE_TIMEOUT": PATIENCE}
    monkeypatch.setattr(announcer, "IN_A_ROW", PATIENCE)
    monkeypatch.setattr(announcer, "HEAD_START", 10 * PATIENCE)
    played.gate.clear()
    began = time.monotonic()
    for number in range(5):
        announce(order(number))
    assert time.monotonic() - began < PATIENCE
    assert not played.sent


def test_a_process_has_one_announcer_thread_and_only_if_it_announces(played: Played) -> None:
    assert threads() == 0
    with ThreadPoolExecutor(8) as pool:
        for number in range(100):
            pool.submit(announce, order(number))
    assert threads() == 1
    announcer.flush()
    assert threads() == 0
    assert len(played.sent) == 100


def test_a_full_queue_drops_and_counts(played: Played, settings: Settings) -> None:
    settings.REALTIME = {"ANNOUNCER_QUEUE": 3, "ANNOUNCE_TIMEOUT": PATIENCE}
    before = counts()
    played.gate.clear()
    for number in range(1, 9):
        announce(order(number))
    assert grown("announcements_dropped", before) == 5
    played.gate.set()
    announcer.flush()
    assert [message["first"] for message in played.sent] == [1, 2, 3]


def test_too_many_bytes_go_out_as_hints(played: Played, settings: Settings) -> None:
    settings.REALTIME = {"ANNOUNCER_BYTES": 20, "ANNOUNCE_TIMEOUT": PATIENCE}
    before = counts()
    played.gate.clear()
    for number in range(1, 5):
        announce(numbered(("order_changed", '"12345678"'), first=number))
    announce_end(KEY)
    assert grown("announcements_thinned", before) == 2
    played.gate.set()
    announcer.flush()
    assert ["events" in message for message in played.sent] == [True, True, False, False, False]
    assert [message.get("last") for message in played.sent] == [1, 2, 3, 4, None]


def test_what_was_sent_makes_room(played: Played, settings: Settings) -> None:
    settings.REALTIME = {"ANNOUNCER_BYTES": 10, "ANNOUNCER_QUEUE": 1}
    before = counts()
    for number in range(1, 4):
        announce(numbered(("order_changed", '"12345678"'), first=number))
        all_sent()
    announcer.flush()
    assert ["events" in message for message in played.sent] == [True] * 3
    assert not grown("announcements_dropped", before)


def test_a_layer_that_fails_is_counted_and_the_next_announcement_goes_out(played: Played) -> None:
    before = counts()
    played.fails = True
    announce(order(1))
    announcer.flush()
    played.fails = False
    announce(order(2))
    announcer.flush()
    assert grown("announcements_failed", before) == 1
    assert [message["first"] for message in played.sent] == [2]


def test_a_layer_that_does_not_answer_is_given_up(played: Played, settings: Settings) -> None:
    settings.REALTIME = {"ANNOUNCE_TIMEOUT": 0.01}
    before = counts()
    played.gate.clear()
    thread = AnnouncerThread()
    thread.put(played, GROUP, {"type": "x"}, 0)
    assert thread.flush(PATIENCE)
    assert grown("announcements_failed", before) == 1


def test_a_flush_waits_only_so_long_and_says_so(played: Played, settings: Settings) -> None:
    settings.REALTIME = {"ANNOUNCE_TIMEOUT": 0.05}
    before = counts()
    played.gate.clear()
    for number in range(1, 20):
        announce(order(number))
    announcer.flush()
    assert grown("announcements_dropped", before) == 1
    assert not played.sent


def test_a_flush_without_an_announcer_does_nothing() -> None:
    announcer.flush()
    announcer.flush()


# Through Redis


class Subscriber:
    """What arrives at a Redis, whoever sends it."""

    def __init__(self, redis: Redis) -> None:
        self._client = redis_client.Redis(port=redis.port)
        self._pubsub = self._client.pubsub()
        self._pubsub.psubscribe("*")
        assert self._next()["type"] == "psubscribe"

    def _next(self) -> Any:
        message = self._pubsub.get_message(timeout=PATIENCE)
        assert message, "nothing has arrived"
        return message

    def next(self) -> Any:
        """The next announcement."""
        return msgpack.unpackb(self._next()["data"])

    def close(self) -> None:
        self._pubsub.close()
        self._client.close()


@pytest.fixture
def arriving(redis_server: Redis) -> Iterator[Subscriber]:
    subscriber = Subscriber(redis_server)
    yield subscriber
    subscriber.close()


@pytest.fixture
def through_redis(redis_server: Redis, settings: Settings) -> Iterator[Redis]:
    """The layer of this process is on a Redis of its own."""
    announcer.flush()
    settings.CHANNEL_LAYERS = redis_layer(redis_server.url)
    yield redis_server
    redis_server.thaw()
    announcer.flush()


def test_through_redis_it_arrives(through_redis: Redis, arriving: Subscriber) -> None:
    announce(order(1))
    assert arriving.next()["first"] == 1


async def test_a_server_announces_without_its_loop(through_redis: Redis, arriving: Subscriber) -> None:
    announce(order(1))  # nothing is awaited here, and it goes out
    assert arriving.next()["first"] == 1


def test_a_redis_that_is_down_holds_up_nobody(through_redis: Redis) -> None:
    before = counts()
    through_redis.kill()
    for number in range(5):
        announce(order(number))
    announcer.flush()
    assert grown("announcements_failed", before) == 5


def test_a_redis_that_is_frozen_holds_up_nobody_and_later_hears_again(
    through_redis: Redis, arriving: Subscriber, settings: Settings
) -> None:
    settings.REALTIME = {"ANNOUNCE_TIMEOUT": 0.1}
    before = counts()
    announce(order(1))
    assert arriving.next()["first"] == 1
    through_redis.freeze()
    announce(order(2))
    all_sent()
    assert grown("announcements_failed", before) == 1
    through_redis.thaw()
    settings.REALTIME = {}
    announce(order(3))
    while arriving.next()["first"] != 3:  # what Redis had in its buffers may come, too
        pass


# In processes of their own

SETUP = """
import os, sys
import django
django.setup()
from realtime.publishing import announcer
from realtime.publishing.announcer import announce
from realtime.log.types import LogEvent, Numbered
def order(number):
    return Numbered("u1|orders#7", "epoch", [LogEvent(number, "order_changed", "{}")])
"""


def run(script: str, redis: Redis, deadline: float = 50) -> str:
    """Runs a program of the project to its end; what it printed."""
    environment = {
        **os.environ,
        "REDIS_URL": redis.url,
        "DATABASE_URL": address_of_test_database(),
        "LOG_LEVEL": "WARNING",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SETUP + script],
        cwd=ROOT,
        env=environment,
        timeout=deadline,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.django_db(transaction=True)
def test_a_process_that_publishes_and_ends_at_once_is_heard(redis_server: Redis, arriving: Subscriber) -> None:
    run(
        "from realtime.publish import publish; publish('u1|orders#7', 'order_changed', 'order', {})",
        redis_server,
    )
    message = arriving.next()
    assert (message["key"], message["first"], message["events"]) == (KEY, 1, [[1, "order_changed", "{}"]])


def test_a_process_that_ends_by_an_error_is_heard(redis_server: Redis, arriving: Subscriber) -> None:
    with suppress(AssertionError):
        run("announce(order(1)); raise SystemExit(3)", redis_server)
    assert arriving.next()["first"] == 1


def test_a_process_ends_although_redis_is_frozen(redis_server: Redis) -> None:
    redis_server.freeze()
    printed = run("[announce(order(number)) for number in range(5)]", redis_server)
    assert "The process ends before all announcements are out" in printed


def test_a_process_ends_although_redis_is_down(redis_server: Redis) -> None:
    redis_server.kill()
    assert "An announcement on" in run("announce(order(1))", redis_server)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_parent_and_children_are_heard_after_a_fork(redis_server: Redis, arriving: Subscriber) -> None:
    script = """
announce(order(1))  # its thread runs in the parent only
for number in (2, 3):
    child = os.fork()
    if not child:
        announce(order(number))
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
    announce(order(number + 10))
"""
    run(script, redis_server)
    heard = {arriving.next()["first"] for _ in range(5)}
    assert heard == {1, 2, 12, 3, 13}


# Which way a group goes


class Unknown:
    """A layer of which nothing is known."""


async def test_a_pubsub_layer_that_has_changed_is_named_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    layer = RedisPubSubChannelLayer(hosts=["redis://localhost:1", "redis://localhost:2"])
    assert announcer._server_of(layer, GROUP) is not None
    monkeypatch.setattr(announcer, "_is_said", False, raising=False)
    monkeypatch.delattr(RedisPubSubLoopLayer, "_get_shard")
    for _ in range(3):
        assert announcer._server_of(layer, GROUP) is None
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "_get_shard" in record.getMessage()
    assert "a frozen one holds up the groups of all" in record.getMessage()


@pytest.mark.parametrize("make", [InMemoryChannelLayer, RedisChannelLayer, Unknown])
async def test_a_layer_with_one_way_is_nothing_to_speak_of(
    make: type, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(announcer, "_is_said", False, raising=False)
    assert announcer._server_of(make(), GROUP) is None
    assert not caplog.records
