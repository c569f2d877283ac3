"""Which error frames name the stream that they are about."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from executions.models import Graph, GraphExecution
from executions.services import start_execution
from realtime.hub import watched_stream
from realtime.hub.hub import Hub
from realtime.hub.registry import hub_of_this_loop
from tests.database import in_db
from tests.realtime.clients import Client
from tests.realtime.conftest import ConnectClient

pytestmark = pytest.mark.django_db(transaction=True)

KNOWS_NUMBERS = pytest.mark.parametrize(
    "options", [{}, {"replay": "none"}, {"after": 0}], ids=["base", "none", "after"]
)


def channel(execution: GraphExecution, options: dict[str, Any]) -> str | None:
    """The channel that an error about this execution must have."""
    return f"{execution.user_id}|graph_exec#{execution.pk}" if options else None


async def subscribe(client: Client, execution: GraphExecution, options: dict[str, Any], **fields: Any) -> Any:
    return await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), **options}, **fields)


@KNOWS_NUMBERS
async def test_the_end_of_a_stream_names_it(
    options: dict[str, Any], live_client: ConnectClient, user: User, graph: Graph, execution: GraphExecution
) -> None:
    client = await live_client(user)
    other = await in_db(start_execution)(graph, user=user)
    for each in (execution, other):
        assert (await subscribe(client, each, options))["success"]
        if "after" in options:
            assert (await client.frame())["seq"] == 1
    keys = [channel(each, options) for each in (execution, other)]
    ids = [each.pk for each in (execution, other)]
    for key, id in zip(keys, ids, strict=True):
        await in_db(GraphExecution.objects.filter(pk=id).delete)()
        frame = await client.frame()
        assert (frame["error"], frame["channel"]) == ("Graph execution not found", key)
        assert "id" not in frame


@KNOWS_NUMBERS
async def test_a_stream_that_ends_during_a_subscribe_is_named(
    options: dict[str, Any],
    live_client: ConnectClient,
    user: User,
    execution: GraphExecution,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = await live_client(user)
    start_position = watched_stream.start_position

    def end_and_start(*args: Any) -> Any:
        hub = hub_of_this_loop()
        assert hub
        hub.end(hub.streams[f"{user.pk}|graph_exec#{execution.pk}"])
        return start_position(*args)

    monkeypatch.setattr(watched_stream, "start_position", end_and_start)
    answer = await subscribe(client, execution, options, id="7")
    assert (answer["error"], answer["id"]) == ("Graph execution not found", "7")
    assert answer["channel"] == channel(execution, options)


@KNOWS_NUMBERS
async def test_a_subscribe_above_the_limit_names_its_stream(
    options: dict[str, Any], live_client: ConnectClient, user: User, execution: GraphExecution, settings: Settings
) -> None:
    settings.REALTIME = {"MAX_SUBSCRIPTIONS": 0}
    client = await live_client(user)
    answer = await subscribe(client, execution, options, id="7")
    assert (answer["error"], answer["id"]) == ("Too many subscriptions on this connection", "7")
    assert answer["channel"] == channel(execution, options)


@KNOWS_NUMBERS
async def test_an_internal_error_names_the_stream_of_its_request(
    options: dict[str, Any],
    live_client: ConnectClient,
    user: User,
    execution: GraphExecution,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*args: Any) -> Any:
        raise ZeroDivisionError

    client = await live_client(user)
    with monkeypatch.context() as broken:
        broken.setattr(Hub, "prepare_start", fail)
        answer = await subscribe(client, execution, options, id="7")
    assert (answer["error"], answer["id"]) == ("Internal error", "7")
    assert answer["channel"] == channel(execution, options)
    assert (await subscribe(client, execution, options))["success"]
    with monkeypatch.context() as broken:
        broken.setattr(Hub, "unsubscribe", fail)
        answer = await client.ask("unsubscribe", {"graph_exec_id": str(execution.pk)}, id="8")
    assert (answer["error"], answer["id"]) == ("Internal error", "8")
    assert answer["channel"] == channel(execution, options)
    answer = await client.ask("subscribe_stream", "not an object", id="9")  # about no stream
    assert answer["channel"] is None


@KNOWS_NUMBERS
async def test_a_refused_subscribe_does_not_reveal_the_channel(
    options: dict[str, Any], live_client: ConnectClient, other_user: User, execution: GraphExecution
) -> None:
    answer = await subscribe(await live_client(other_user), execution, options, id="7")
    assert (answer["error"], answer["channel"]) == ("Graph execution not found", None)
