"""An exception at any place inside: the socket stays open and later events arrive."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from executions.models import GraphExecution
from executions.services import report_node
from realtime import consumers
from realtime.hub import page_cache, start, sweep, watched_stream
from tests.database import in_db
from tests.realtime.clients import HandshakeRefused, InProcess
from tests.realtime.conftest import ConnectClient, Counted, counted, execution, graph, live_client, user

__all__ = ["counted", "execution", "graph", "live_client", "user"]


class Unexpected(Exception):  # noqa: N818
    """An exception that no code expects."""


def fails(*args: Any, **kwargs: Any) -> Any:
    raise Unexpected


class Once:
    """Raises at the first call, and calls the real function from then on."""

    def __init__(self, real: Any) -> None:
        self._real, self.has_raised = real, False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.has_raised:
            self.has_raised = True
            raise Unexpected
        return self._real(*args, **kwargs)


async def assert_next_event(client: InProcess, execution: GraphExecution, seq: int) -> None:
    """A new event arrives with this number, after the earlier ones."""
    await in_db(report_node)(execution, node_id="n", status="QUEUED")
    frame = await client.frame()
    while frame["seq"] < seq:
        frame = await client.frame()
    assert frame["seq"] == seq


REQUESTS: dict[str, tuple[Any, str]] = {
    "parsing": (consumers, "parse_request"),
    "access": (consumers, "stream_key"),
    "the resume": (watched_stream, "start_position"),
    "opening the stream": (watched_stream, "numbered_head"),
    "the answer": (start, "subscribed_frame"),
}


@pytest.mark.parametrize("place", REQUESTS)
async def test_an_exception_in_a_request_is_answered_and_the_next_request_works(
    place: str,
    live_client: ConnectClient,
    user: User,
    execution: GraphExecution,
    monkeypatch: pytest.MonkeyPatch,
    counted: Counted,
) -> None:
    client = await live_client(user)
    data = {"graph_exec_id": str(execution.pk), "after": 1}
    with monkeypatch.context() as broken:
        broken.setattr(*REQUESTS[place], fails)
        answer = await client.ask("subscribe_graph_execution", data)
    assert answer["error"] == "Internal error"
    assert counted["errors"] == 1
    await client.ping()
    assert (await client.ask("subscribe_graph_execution", data))["data"]["recovered"]
    await assert_next_event(client, execution, 2)


async def test_an_exception_during_a_handshake_refuses_this_client_only(
    live_client: ConnectClient,
    user: User,
    execution: GraphExecution,
    monkeypatch: pytest.MonkeyPatch,
    counted: Counted,
) -> None:
    client = await live_client(user)
    await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 1})
    late = InProcess(user=user)
    with monkeypatch.context() as broken:
        broken.setattr(consumers, "authenticate", fails)
        with pytest.raises(HandshakeRefused):
            await late.connect()
    await late.disconnect()
    assert counted["errors"] == 1
    await assert_next_event(client, execution, 2)
    again = await live_client(user)
    await again.ping()


DELIVERY: dict[str, tuple[Any, str]] = {
    "the reorder buffer": (watched_stream.WatchedStream, "receive"),
    "reading the log": (page_cache, "read_after"),
    "the sweep for unnumbered events": (sweep, "number_watched"),
    "the sweep of heads": (sweep.store, "read_heads"),
    "filling a subscription": (watched_stream.WatchedStream, "fill"),
}


@pytest.mark.parametrize("place", DELIVERY)
async def test_an_exception_during_delivery_delays_events_and_loses_none(
    place: str,
    live_client: ConnectClient,
    user: User,
    execution: GraphExecution,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    settings.REALTIME = {"SWEEP_INTERVAL": 0.05, "SWEEP_GRACE": 0.0, "BUFFER_EVENTS": 5}
    owner, name = DELIVERY[place]
    once = Once(getattr(owner, name))
    # `Once` is not a function, so Python would not bind it as a method. The lambda is bound.
    monkeypatch.setattr(owner, name, (lambda *args, **kwargs: once(*args, **kwargs)))
    client = await live_client(user)  # after the patch, because the hub is created with the first client
    await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 1})
    for number in range(20):
        await in_db(report_node)(execution, node_id=f"n{number}", status="QUEUED")
    again = await live_client(user)
    await again.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 1})
    for each in (client, again):
        assert [frame["seq"] for frame in await each.frames(20)] == list(range(2, 22))
    assert once.has_raised
    await assert_next_event(client, execution, 22)
    await client.ping()


async def test_a_failed_read_delays_readers_and_loses_no_event(
    live_client: ConnectClient, user: User, execution: GraphExecution, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.REALTIME = {"SWEEP_INTERVAL": 0.05}
    await in_db(report_node)(execution, node_id="n", status="QUEUED")
    once = Once(page_cache.read_each)
    monkeypatch.setattr(page_cache, "read_each", lambda *args: once(*args))
    clients = [await live_client(user) for _ in range(3)]
    for client in clients:
        await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "replay": "latest"})
    for client in clients:
        assert [frame["seq"] for frame in await client.frames(2)] == [1, 2]
    assert once.has_raised
