"""Somebody locks the row of a stream, with psql or with a long transaction, while others write."""

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from pytest_django import Settings

from executions.models import Graph, GraphExecution
from executions.services import report_node, start_execution
from realtime import streams
from realtime.models import Stream
from tests.database import in_db
from tests.realtime.conftest import ConnectClient
from tests.realtime.side_by_side import Thread, in_open_transaction
from tests.stories.test_base_protocol import watch

pytestmark = pytest.mark.postgres

NO_SWEEPS = {"SWEEP_INTERVAL": 3_600.0}


def lock(execution: GraphExecution) -> None:
    key = streams.graph_exec(str(execution.user_id), str(execution.pk))
    Stream.objects.select_for_update().get(key=key)


def report_both(first: GraphExecution, second: GraphExecution) -> None:
    with transaction.atomic():
        for execution in (first, second):
            report_node(execution, node_id="n", status="QUEUED")


async def test_a_writer_returns_while_a_head_is_locked_and_its_other_streams_get_their_frames(
    live_client: ConnectClient, user: User, graph: Graph, execution: GraphExecution, settings: Settings
) -> None:
    settings.REALTIME = NO_SWEEPS
    other = await in_db(start_execution)(graph, user=user)
    client, client_of_other = await live_client(user), await live_client(user)
    await watch(client, execution, after=1)
    await watch(client_of_other, other, after=1)

    def write_while_locked() -> None:
        with in_open_transaction(lambda: lock(execution)):
            Thread(report_both, execution, other).result()
            Thread(report_both, other, execution).result()
            assert not Stream.objects.filter(key__contains=str(execution.pk), head__gt=1).exists()

    await in_db(write_while_locked)()
    assert [frame["seq"] for frame in await client_of_other.frames(2)] == [2, 3]
    assert [frame["seq"] for frame in await client.frames(2)] == [2, 3]


async def test_an_execution_is_deleted_while_its_graphs_stream_is_locked(
    live_client: ConnectClient, user: User, graph: Graph, execution: GraphExecution, settings: Settings
) -> None:
    """Its stream is removed, and its socket told, once the lock is gone."""
    settings.REALTIME = NO_SWEEPS
    client = await live_client(user)
    await watch(client, execution, after=1)

    def lock_graph() -> None:
        Stream.objects.select_for_update().get(key=streams.graph_execs(str(user.pk), str(graph.pk)))

    def delete_while_locked() -> None:
        with in_open_transaction(lock_graph):
            Thread(execution.delete).result()

    await in_db(delete_while_locked)()
    assert (await client.frame())["error"] == "Graph execution not found"


async def test_a_subscribe_does_not_wait_for_a_locked_head(
    live_client: ConnectClient, user: User, execution: GraphExecution, settings: Settings
) -> None:
    settings.REALTIME = NO_SWEEPS
    client = await live_client(user)

    async def subscribe_while_locked() -> None:
        with in_open_transaction(lambda: lock(execution)):
            await in_db(report_node)(execution, node_id="n", status="QUEUED")
            await watch(client, execution, after=1)

    await subscribe_while_locked()
    assert (await client.frame())["seq"] == 2
