"""The announcer: its messages, and the in-memory layer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from pytest_django import Settings

from realtime.metrics import counts
from realtime.publishing import announcer
from realtime.publishing.announcer import announce, announce_end
from tests.realtime.publishing.announcements import GROUP, KEY, TIMEOUT, increase, numbered, order
from tests.waiting import until_in_loop

# Messages


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """The groups and messages that are sent."""
    sent: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(announcer, "_send", lambda group, message, size: sent.append((group, message)))
    return sent


def test_an_announcement_has_the_stream_the_epoch_the_numbers_and_the_events(messages: list[Any]) -> None:
    announce(numbered(("order_changed", '{"n":1}'), ("order_changed", "null"), first=8))
    assert messages == [
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
def test_the_message_type_depends_on_the_methods_of_the_events(
    messages: list[Any], methods: list[str], type: str
) -> None:
    announce(numbered(*((method, "{}") for method in methods)))
    assert messages[0][1]["type"] == type
    assert type in announcer.EVENT_TYPES


def test_an_announcement_with_large_data_has_no_events(messages: list[Any]) -> None:
    announce(numbered(("order_changed", "{}"), ("order_changed", None)))
    assert "events" not in messages[0][1]
    assert (messages[0][1]["first"], messages[0][1]["last"]) == (1, 2)


def test_an_announcement_above_the_size_limit_has_no_events(messages: list[Any], settings: Settings) -> None:
    settings.REALTIME = {"MAX_ANNOUNCED_BYTES": 10}
    announce(numbered(("order_changed", '"ééé"'), ("order_changed", '""')))  # 8 + 2
    announce(numbered(("order_changed", '"ééé"'), ("order_changed", '"a"')))
    assert ["events" in message for _, message in messages] == [True, False]


def test_the_end_of_a_stream_is_announced(messages: list[Any]) -> None:
    announce_end(KEY)
    assert messages == [(GROUP, {"type": "stream.ended", "key": KEY})]
    assert "stream.ended" not in announcer.EVENT_TYPES


# The in-memory layer


@pytest.fixture
async def member(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[], Any]]:
    """Attaches this loop, adds a member to the group, and returns a function that receives its next message."""
    layer = InMemoryChannelLayer()
    monkeypatch.setattr(announcer, "get_channel_layer", lambda: layer)
    monkeypatch.setattr(announcer, "_loops", {})
    await layer.group_add(GROUP, "member")
    loop = asyncio.get_running_loop()
    announcer.attach(loop)

    async def receive() -> Any:
        return await asyncio.wait_for(layer.receive("member"), TIMEOUT)

    yield receive
    announcer.detach(loop)


async def test_in_memory_an_announcement_arrives_from_the_loop_and_from_threads(member: Callable[[], Any]) -> None:
    announce(order(1))
    await asyncio.to_thread(announce, order(2))
    assert [(await member())["first"] for _ in range(2)] == [1, 2]


async def test_in_memory_announcements_keep_their_order(member: Callable[[], Any]) -> None:
    await asyncio.to_thread(lambda: [announce(order(number)) for number in range(1, 51)])
    assert [(await member())["first"] for _ in range(50)] == list(range(1, 51))


async def test_a_closed_loop_does_not_stop_announcements_on_other_loops(member: Callable[[], Any]) -> None:
    before = counts()
    closed = asyncio.new_event_loop()
    announcer._loops = {closed: 1, **announcer._loops}
    closed.close()
    announce(order(1))
    assert (await member())["first"] == 1
    assert closed not in announcer._loops
    announcer.detach(closed)
    assert not increase("announcements_failed", before)


async def test_a_loop_gets_announcements_until_its_last_hub_is_detached(member: Callable[[], Any]) -> None:
    loop = asyncio.get_running_loop()
    announcer.attach(loop)
    announcer.detach(loop)
    announce(order(1))
    assert (await member())["first"] == 1


async def test_in_memory_a_failing_layer_is_counted(member: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*args: Any) -> None:
        raise ConnectionError

    before = counts()
    monkeypatch.setattr(InMemoryChannelLayer, "group_send", fail)
    announce(order(1))
    await until_in_loop(lambda: not announcer._send_tasks and bool(increase("announcements_failed", before)))
    assert increase("announcements_failed", before) == 1


def test_without_a_hub_in_the_process_an_in_memory_announcement_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = counts()
    monkeypatch.setattr(announcer, "get_channel_layer", InMemoryChannelLayer)
    announce(order(1))
    assert not increase("announcements_failed", before)


@pytest.mark.parametrize("error", [None, RuntimeError("no such backend")])
def test_without_a_layer_announcing_does_not_raise(error: Exception | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def get_channel_layer() -> None:
        if error:
            raise error

    before = counts()
    monkeypatch.setattr(announcer, "get_channel_layer", get_channel_layer)
    announce(order(1))
    announce_end(KEY)
    assert increase("announcements_failed", before) == (2 if error else 0)
