"""Concurrent writers, which only PostgreSQL allows."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, transaction

from executions.models import Graph, GraphExecution, NodeExecution
from executions.services import report_execution, report_node, start_execution
from realtime.models import Stream, StreamEvent
from realtime.publish import publish
from tests.database import in_db
from tests.realtime.conftest import ConnectClient
from tests.stories.test_base_protocol import watch, watch_graph
from tests.stories.test_resume import stream_of

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(180)]


async def at_once(*works: Callable[[], None]) -> None:
    """Runs each in its own thread with its own connection. Raises their errors."""
    together = threading.Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        try:
            together.wait(60)
            work()
        finally:
            connections.close_all()

    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(len(works)) as threads:
        await asyncio.gather(*(loop.run_in_executor(threads, run, work) for work in works))


def deadlocks() -> int:
    """The count of PostgreSQL for this database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


async def test_4000_changes_of_eight_threads_are_numbered_without_a_gap(
    live_client: ConnectClient, user: User, execution: GraphExecution
) -> None:
    """Each thread has its own node. A change of a row follows the changes that were committed before it."""
    nodes = [await in_db(report_node)(execution, node_id=f"n{n}", status="RUNNING") for n in range(8)]
    stream = await stream_of(execution)
    client = await live_client(user)
    await watch(client, execution, after=stream.head)

    def change(node: NodeExecution) -> Callable[[], None]:
        def save() -> None:
            for count in range(500):
                node.output_data = {"count": [count]}
                node.save()

        return save

    writing = asyncio.create_task(at_once(*map(change, nodes)))
    counts = defaultdict(list)
    for seq in range(stream.head + 1, stream.head + 4_001):
        frame = await client.frame()
        assert frame["seq"] == seq
        counts[frame["data"]["node_id"]].append(frame["data"]["output_data"]["count"][0])
    await writing
    assert counts == {node.node_id: list(range(500)) for node in nodes}
    numbers = await in_db(list)(StreamEvent.objects.filter(stream=stream).order_by("seq").values_list("seq", flat=True))
    assert numbers == list(range(1, stream.head + 4_001))


async def test_eight_concurrent_reporters_of_one_node_make_one_history(
    live_client: ConnectClient, user: User, execution: GraphExecution
) -> None:
    client = await live_client(user)
    await watch(client, execution, after=1)

    def report() -> None:
        for _ in range(25):
            report_node(execution, node_id="n", status="RUNNING")

    await at_once(*[report] * 8)
    frames = await client.frames(200)
    assert [frame["seq"] for frame in frames] == list(range(2, 202))
    assert len({frame["data"]["node_exec_id"] for frame in frames}) == 1


async def test_a_transaction_over_many_executions_does_not_deadlock_with_single_writers(
    live_client: ConnectClient, user: User, graph: Graph
) -> None:
    """Locking heads inside the writers' transactions would deadlock here, in any order."""
    executions = [await in_db(start_execution)(graph, user=user) for _ in range(6)]
    before = await in_db(deadlocks)()
    client = await live_client(user)
    await watch_graph(client, graph, after=6)

    def save_all() -> None:
        for count in range(20):
            with transaction.atomic():
                for execution in executions:
                    execution.outputs = {"all": [count]}
                    execution.save(update_fields=["outputs"])

    def save_one(execution: GraphExecution) -> Callable[[], None]:
        def save() -> None:
            for count in range(60):
                execution.stats = {"cost": count}
                execution.save(update_fields=["stats"])

        return save

    of_others = [await in_db(GraphExecution.objects.get)(pk=each.pk) for each in (executions[5], *executions[:2])]
    writing = asyncio.create_task(at_once(save_all, *map(save_one, of_others)))
    frames = await client.frames(20 * 6 + 3 * 60)
    await writing
    assert [frame["seq"] for frame in frames] == list(range(7, 307))
    assert await in_db(deadlocks)() == before


async def test_transactions_that_commit_out_of_order_lose_no_event(
    live_client: ConnectClient, user: User, graph: Graph, execution: GraphExecution
) -> None:
    """Ids are not in the order of the commits: a reader with "id > last" would skip the first event for ever."""
    client = await live_client(user)
    await watch(client, execution, after=1)
    has_written, may_commit = threading.Event(), threading.Event()

    def write_first_and_commit_last() -> None:
        with transaction.atomic():
            NodeExecution.objects.create(graph_execution=execution, node_id="first written")
            has_written.set()
            assert may_commit.wait(60)

    def write_last_and_commit_first() -> None:
        assert has_written.wait(60)
        NodeExecution.objects.create(graph_execution=execution, node_id="first committed")

    writing = asyncio.create_task(at_once(write_first_and_commit_last, write_last_and_commit_first))
    frame = await client.frame()
    assert (frame["seq"], frame["data"]["node_id"]) == (2, "first committed")
    may_commit.set()
    frame = await client.frame()
    assert (frame["seq"], frame["data"]["node_id"]) == (3, "first written")
    await writing


async def test_eight_concurrent_first_writers_create_one_stream(
    user: User,
) -> None:
    key = f"{user.pk}|orders#7"

    def begin(number: int) -> Callable[[], None]:
        return lambda: publish(key, "order_changed", str(number), {})

    await at_once(*map(begin, range(8)))
    stream = await in_db(Stream.objects.get)(key=key)
    assert stream.head == 8


@pytest.fixture
def lose_all_connections(transactional_db: None) -> Iterator[Callable[[], None]]:
    """Ends all connections to the database except that of the test, as a restart of PostgreSQL does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (own,) = cursor.fetchone()

    def lose() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid NOT IN (%s, pg_backend_pid())",
                [own],
            )

    yield lose
    connection.pool.check()


async def test_lost_database_connections_close_no_socket_and_fail_no_subscribe(
    live_client: ConnectClient, user: User, execution: GraphExecution, lose_all_connections: Callable[[], None]
) -> None:
    client = await live_client(user)
    await watch(client, execution, after=1)
    for number in range(3):
        others = await asyncio.gather(*(live_client(user) for _ in range(8)))
        # As many as the limit of connections.
        await asyncio.gather(*(watch(each, execution, after=1) for each in others))
        await in_db(lose_all_connections)()
        again = await live_client(user)
        await watch(again, execution, after=1)
        await in_db(report_execution)(execution, status=("RUNNING", "REVIEW")[number % 2])
        assert (await client.frame())["seq"] == number + 2
        assert [frame["seq"] for frame in await again.frames(number + 1)] == list(range(2, number + 3))
