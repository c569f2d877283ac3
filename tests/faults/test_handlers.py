"""Something raises inside, wherever it may be: the socket lives, and later updates come."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from executions.models import GraphExecution
from executions.services import report_node
from realtime import consumers
from realtime.hub import page_cache, sweep, watched_stream
from tests.database import in_db
from tests.realtime.clients import HandshakeRefused, InProcess
from tests.realtime.conftest import ConnectClient, Counted, counted, execution, graph, live_client, user

__all__ = ["counted", "execution", "graph", "live_client", "user"]


class Unexpected(Exception):  # noqa: N818
    """Nobody expects it."""


def fails(*args: Any, **kwargs: Any) -> Any:
    raise Unexpected


class Once:
    """Raises the first time, and then does what it stands for."""

    def __init__(self, real: Any) -> None:
        self._real, self.has_raised = real, False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.has_raised:
            self.has_raised = True
            raise Unexpected
        return self._real(*args, **kwargs)


async def follows(client: InProcess, execution: GraphExecution, seq: int) -> None:
    """What happens now arrives, with this number and after those before it."""
    await in_db(report_node)(execution, node_id="n", status="QUEUED")
    frame = await client.frame()
    while frame["seq"] < seq:
        frame = await client.frame()
    assert frame["seq"] == seq


ASKING: dict[str, tuple[Any, str]] = {
    "parsing": (consumers, "parse_request"),
    "access": (consumers, "stream_key"),
    "the resume": (consumers, "beginning"),
    "opening the stream": (watched_stream, "numbered_head"),
    "the answer": (consumers, "snapshot_answer"),
}


@pytest.mark.parametrize("place", ASKING)
async def test_an_exception_while_a_request_is_handled_is_answered_and_the_next_one_is_carried_out(
    place: str,
    live_client: ConnectClient,
    user: User,
    execution: GraphExecution,
    monkeypatch: pytest.MonkeyPatch,
    counted: Counted,
) -> None:
    client = await live_client(user)
    wish = {"graph_exec_id": str(execution.pk), "after": 1}
    with monkeypatch.context() as broken:
        broken.setattr(*ASKING[place], fails)
        answer = await client.ask("subscribe_graph_execution", wish)
    assert answer["error"] == "Internal error"
    assert counted["errors"] == 1
    await client.ping()
    assert (await client.ask("subscribe_graph_execution", wish))["data"]["recovered"]
    await follows(client, execution, 2)


async def test_an_exception_while_somebody_connects_refuses_him_and_nobody_else(
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
    await follows(client, execution, 2)
    again = await live_client(user)
    await again.ping()


HANDING_ON: dict[str, tuple[Any, str]] = {
    "putting in order": (watched_stream.WatchedStream, "receive"),
    "reading the log": (page_cache, "read_after"),
    "looking for what has no number": (sweep, "_settle_unnumbered"),
    "looking at the heads": (sweep.store, "read_heads"),
    "filling a subscription": (watched_stream.WatchedStream, "fill"),
}


@pytest.mark.parametrize("place", HANDING_ON)
async def test_an_exception_while_events_are_handed_on_delays_them_and_loses_none(
    place: str,
    live_client: ConnectClient,
    user: User,
    execution: GraphExecution,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    settings.REALTIME = {"SWEEP_INTERVAL": 0.05, "SWEEP_GRACE": 0.0, "BUFFER_EVENTS": 5}
    owner, name = HANDING_ON[place]
    once = Once(getattr(owner, name))
    # A function that is not one is no method: it gets its object by this.
    monkeypatch.setattr(owner, name, (lambda *args, **kwargs: once(*args, **kwargs)))
    client = await live_client(user)  # now, since the hub of the first one keeps what it is made with
    await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 1})
    for number in range(20):
        await in_db(report_node)(execution, node_id=f"n{number}", status="QUEUED")
    again = await live_client(user)
    await again.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 1})
    for each in (client, again):
        assert [frame["seq"] for frame in await each.frames(20)] == list(range(2, 22))
    assert once.has_raised
    await follows(client, execution, 22)
    await client.ping()


async def test_one_read_that_fails_for_a_reader_fails_for_no_other(
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
