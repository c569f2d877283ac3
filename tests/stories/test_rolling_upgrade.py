"""Processes of two versions on one Redis: announcements of one version reach the other."""

from collections.abc import Callable
from typing import Any

import pytest
from channels.layers import get_channel_layer
from django.contrib.auth.models import User
from pytest_django import Settings

from executions.models import GraphExecution
from executions.services import notify_user, report_node
from realtime import streams
from realtime.hub.registry import hub_of_this_loop
from realtime.hub.sweep import sweep
from realtime.log.types import EventDraft, StreamRef
from realtime.publishing import announcer
from realtime.publishing.recording import record_events
from tests.database import in_db
from tests.realtime.clients import Client
from tests.realtime.conftest import ConnectClient, Counted
from tests.realtime.layers import redis_layer
from tests.servers import Redis
from tests.stories.test_base_protocol import watch
from tests.stories.test_two_processes import NEVER

Change = Callable[[dict[str, Any]], Any]


class Other:
    """A process of another version: it announces the changes of this one in another form."""

    def __init__(self, client: Client, execution: GraphExecution, announced: list[dict[str, Any]], key: str) -> None:
        self.client, self.execution, self._announced, self._group = client, execution, announced, streams.group(key)

    async def change_a_node(self, change: Change) -> None:
        self._announced.clear()
        await in_db(report_node)(self.execution, node_id="n", status="QUEUED")
        (message,) = [each for each in self._announced if "graph_exec#" in each["key"]]
        await get_channel_layer().group_send(self._group, change(message))

    async def announce(self, message: Any) -> None:
        await get_channel_layer().group_send(self._group, message)


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What this process would announce. It announces nothing itself."""
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(announcer, "_send", lambda group, message, weight: messages.append(message))
    return messages


@pytest.fixture
async def other(
    redis_server: Redis,
    settings: Settings,
    live_client: ConnectClient,
    user: User,
    execution: GraphExecution,
    announced: list[dict[str, Any]],
) -> Other:
    settings.CHANNEL_LAYERS, settings.REALTIME = redis_layer(redis_server.url), NEVER
    client = await live_client(user)
    return Other(client, execution, announced, await watch(client, execution, after=1))


def without(*names: str) -> Change:
    return lambda message: {name: value for name, value in message.items() if name not in names}


def with_more(message: dict[str, Any]) -> dict[str, Any]:
    return {**message, "trace": "00-4bf9", "events": [[*row, "2031-01-01", None] for row in message["events"]]}


UNDERSTOOD: dict[str, tuple[Change, int]] = {  # and the number of log reads it needs
    "of the same version": (lambda message: message, 0),
    "older, without the first number": (without("first"), 0),
    "older, without events": (without("first", "events"), 1),
    "newer, with more fields in the message and in each event": (with_more, 0),
    "newer, with events as nothing": (lambda message: {**message, "events": None}, 1),
}


@pytest.mark.parametrize("form", UNDERSTOOD)
async def test_an_announcement_of_another_version_arrives_at_once(form: str, other: Other, counted: Counted) -> None:
    change, reads = UNDERSTOOD[form]
    await other.change_a_node(change)
    frame = await other.client.frame()
    assert (frame["seq"], frame["data"]["node_id"]) == (2, "n")
    assert counted["gaps_filled"] == reads
    assert not counted["layer_messages_unknown"]


NOTIFICATIONS: dict[str, tuple[Change, int]] = {  # and the number of log reads it needs
    "of the same version": (lambda message: message, 0),
    "older, without the id": (
        lambda message: {**message, "events": [[seq, method, data] for seq, method, data, _ in message["events"]]},
        1,
    ),
    "newer, with more fields in each event": (with_more, 0),
    "newer, with another kind of id": (
        lambda message: {**message, "events": [[*row[:3], 7] for row in message["events"]]},
        1,
    ),
}


@pytest.mark.parametrize("form", NOTIFICATIONS)
async def test_a_notification_has_its_id_whichever_version_announces_it(
    form: str, other: Other, user: User, announced: list[dict[str, Any]], counted: Counted
) -> None:
    change, reads = NOTIFICATIONS[form]
    await other.client.ask("subscribe_notifications")
    announced.clear()
    made = await in_db(notify_user)(user, type="info", event="hey")
    (message,) = announced
    await get_channel_layer().group_send(streams.group(message["key"]), change(message))
    frame = await other.client.frame()
    assert (frame["data"], frame["seq"], frame["id"]) == ({"type": "info", "event": "hey"}, 1, str(made.pk))
    assert counted["gaps_filled"] == reads
    assert not counted["layer_messages_unknown"]


async def test_an_event_of_an_older_version_is_sent_as_it_was_recorded(
    live_client: ConnectClient, user: User, execution: GraphExecution
) -> None:
    """Without the fields that are new since, and in its order."""
    client, numbered = await live_client(user), await live_client(user)
    channel = await watch(client, execution)
    await watch(numbered, execution, after=1)
    old = f'{{"event_type":"graph_execution_update","id":"{execution.pk}","status":"RUNNING","outputs":{{}}}}'
    ref = StreamRef(streams.graph_exec(str(user.pk), str(execution.pk)), "graph")
    await in_db(record_events)([EventDraft("graph_execution_event", old, (ref,))])
    sent = f'{{"method":"graph_execution_event","data":{old},"success":null,"channel":"{channel}","error":null'
    assert await client.text() == f"{sent}}}"
    assert await numbered.text() == f'{sent},"seq":2}}'
    again = await live_client(user)
    await watch(again, execution, replay="latest")
    assert await again.text() == f'{sent},"seq":2}}'


NOT_UNDERSTOOD: dict[str, Change] = {
    "a new type": lambda message: {**message, "type": "stream.compressed"},
    "no type": without("type"),
    "no key": without("key"),
    "no epoch": without("epoch"),
    "no last number": without("last"),
    "numbers as text": lambda message: {**message, "last": str(message["last"])},
    "events as a dictionary": lambda message: {**message, "events": {"2": "{}"}},
    "events with fewer fields": lambda message: {**message, "events": [[2, "node_execution_event"]]},
    "events with their data parsed": lambda message: {**message, "events": [[2, "node_execution_event", {}]]},
    "events as a number": lambda message: {**message, "events": 7},
    "a type that is a list": lambda message: {**message, "type": ["stream.events"]},
    "a list": lambda message: [message["key"], message["last"]],
    "a number": lambda message: 7,
    "nothing": lambda message: None,
}


@pytest.mark.parametrize("form", NOT_UNDERSTOOD)
async def test_an_unknown_announcement_is_counted_and_the_sweep_finds_its_event(
    form: str, other: Other, counted: Counted
) -> None:
    await other.change_a_node(NOT_UNDERSTOOD[form])
    await other.change_a_node(lambda message: {"type": "a later one", "key": message["key"]})
    while counted["layer_messages_unknown"] < 2:
        await other.client.ping()  # no other frame arrives
    await sweep(hub_of_this_loop())  # type: ignore[arg-type]
    assert [frame["seq"] for frame in await other.client.frames(2)] == [2, 3]
    assert not counted["errors"]
    assert not counted["layer_errors"]
