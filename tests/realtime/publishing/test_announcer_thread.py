"""The announcer thread: order, bounds, and layers that fail or hang."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer, RedisPubSubLoopLayer
from pytest_django import Settings

from realtime.metrics import counts
from realtime.publishing import announcer, announcer_thread
from realtime.publishing.announcer import announce, announce_end
from realtime.publishing.announcer_thread import AnnouncerThread
from tests.realtime.publishing.announcements import GROUP, KEY, TIMEOUT, increase, numbered, order, wait_until_sent
from tests.waiting import until_in_loop


class FakeLayer:
    """A layer that reaches other processes. It sends while `gate` is set, and raises while `fails` is True."""

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
def layer(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLayer]:
    fake = FakeLayer()
    announcer.flush()
    monkeypatch.setattr(announcer, "get_channel_layer", lambda: fake)
    yield fake
    fake.gate.set()
    announcer.flush()


def count_threads() -> int:
    return sum(thread.name == "realtime-announcer" for thread in threading.enumerate())


def test_announcements_are_sent_in_order(layer: FakeLayer) -> None:
    for number in range(1, 101):
        announce(order(number))
    announcer.flush()
    assert [message["first"] for message in layer.sent] == list(range(1, 101))


def test_a_caller_in_a_burst_waits_until_its_message_is_sent(layer: FakeLayer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcer_thread, "BURST_INTERVAL", TIMEOUT)
    monkeypatch.setattr(announcer_thread, "BURST_WAIT", TIMEOUT)
    announce(order(1))
    wait_until_sent()
    for number in range(2, 51):
        announce(order(number))
        assert [message["first"] for message in layer.sent] == list(range(1, number + 1))


def test_a_caller_in_a_burst_does_not_wait_behind_other_announcements(
    layer: FakeLayer, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.REALTIME = {"ANNOUNCE_TIMEOUT": TIMEOUT}
    monkeypatch.setattr(announcer_thread, "BURST_INTERVAL", TIMEOUT)
    monkeypatch.setattr(announcer_thread, "BURST_WAIT", 10 * TIMEOUT)
    layer.gate.clear()
    began = time.monotonic()
    for number in range(5):
        announce(order(number))
    assert time.monotonic() - began < TIMEOUT
    assert not layer.sent


def test_the_first_announcement_starts_the_only_announcer_thread(layer: FakeLayer) -> None:
    assert count_threads() == 0
    with ThreadPoolExecutor(8) as pool:
        for number in range(100):
            pool.submit(announce, order(number))
    assert count_threads() == 1
    announcer.flush()
    assert count_threads() == 0
    assert len(layer.sent) == 100


def test_a_full_queue_drops_and_counts_announcements(layer: FakeLayer, settings: Settings) -> None:
    settings.REALTIME = {"ANNOUNCER_QUEUE": 3, "ANNOUNCE_TIMEOUT": TIMEOUT}
    before = counts()
    layer.gate.clear()
    for number in range(1, 9):
        announce(order(number))
    assert increase("announcements_dropped", before) == 5
    layer.gate.set()
    announcer.flush()
    assert [message["first"] for message in layer.sent] == [1, 2, 3]


def test_above_the_byte_limit_announcements_go_out_without_their_events(layer: FakeLayer, settings: Settings) -> None:
    settings.REALTIME = {"ANNOUNCER_BYTES": 20, "ANNOUNCE_TIMEOUT": TIMEOUT}
    before = counts()
    layer.gate.clear()
    for number in range(1, 5):
        announce(numbered(("order_changed", '"12345678"'), first=number))
    announce_end(KEY)
    assert increase("announcements_thinned", before) == 2
    layer.gate.set()
    announcer.flush()
    assert ["events" in message for message in layer.sent] == [True, True, False, False, False]
    assert [message.get("last") for message in layer.sent] == [1, 2, 3, 4, None]


def test_a_sent_announcement_frees_its_place_and_bytes(layer: FakeLayer, settings: Settings) -> None:
    settings.REALTIME = {"ANNOUNCER_BYTES": 10, "ANNOUNCER_QUEUE": 1}
    before = counts()
    for number in range(1, 4):
        announce(numbered(("order_changed", '"12345678"'), first=number))
        wait_until_sent()
    announcer.flush()
    assert ["events" in message for message in layer.sent] == [True] * 3
    assert not increase("announcements_dropped", before)


def test_a_failed_announcement_is_counted_and_the_next_one_is_sent(layer: FakeLayer) -> None:
    before = counts()
    layer.fails = True
    announce(order(1))
    announcer.flush()
    layer.fails = False
    announce(order(2))
    announcer.flush()
    assert increase("announcements_failed", before) == 1
    assert [message["first"] for message in layer.sent] == [2]


def test_an_announcement_times_out_on_a_layer_that_hangs(layer: FakeLayer, settings: Settings) -> None:
    settings.REALTIME = {"ANNOUNCE_TIMEOUT": 0.01}
    before = counts()
    layer.gate.clear()
    thread = AnnouncerThread()
    thread.enqueue(layer, GROUP, {"type": "x"}, 0)
    assert thread.flush(TIMEOUT)
    assert increase("announcements_failed", before) == 1


def test_a_flush_that_times_out_is_counted(layer: FakeLayer, settings: Settings) -> None:
    settings.REALTIME = {"ANNOUNCE_TIMEOUT": 0.05}
    before = counts()
    layer.gate.clear()
    for number in range(1, 20):
        announce(order(number))
    announcer.flush()
    assert increase("announcements_dropped", before) == 1
    assert not layer.sent


def test_a_flush_without_an_announcer_does_nothing() -> None:
    announcer.flush()
    announcer.flush()


# The Redis server of a group


class UnknownLayer:
    """A layer without any of the methods of channels_redis."""


async def test_a_changed_pubsub_layer_logs_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    layer = RedisPubSubChannelLayer(hosts=["redis://localhost:1", "redis://localhost:2"])
    assert announcer_thread._redis_server(layer, GROUP) is not None
    monkeypatch.setattr(announcer_thread, "_has_warned", False, raising=False)
    monkeypatch.delattr(RedisPubSubLoopLayer, "_get_shard")
    for _ in range(3):
        assert announcer_thread._redis_server(layer, GROUP) is None
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "_get_shard" in record.getMessage()
    assert "one that hangs delays all groups" in record.getMessage()


@pytest.mark.parametrize("layer_class", [InMemoryChannelLayer, RedisChannelLayer, UnknownLayer])
async def test_a_layer_without_several_servers_logs_no_warning(
    layer_class: type, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(announcer_thread, "_has_warned", False, raising=False)
    assert announcer_thread._redis_server(layer_class(), GROUP) is None
    assert not caplog.records
