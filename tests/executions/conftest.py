"""Fixtures of the tests of executions: a graph, a run of it, a recorder of signals, threads that close connections."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection, connections
from django.dispatch import Signal
from django.test import Client

from executions import signals
from executions.models import Graph, GraphExecution, NodeExecution
from executions.services import report_execution

NODES = [{"id": "split", "block_id": "text.sentences"}, {"id": "rank", "block_id": "text.key_sentences"}]
LINKS = [{"source_id": "split", "source_name": "sentences", "sink_id": "rank", "sink_name": "sentences"}]
SIGNALS: dict[str, Signal] = {name: each for name, each in vars(signals).items() if isinstance(each, Signal)}


@dataclass(frozen=True)
class SentSignal:
    """One signal with its arguments."""

    name: str
    sender: type
    events: list[Any]
    is_bulk: bool
    is_inside_transaction: bool
    is_last_before_commit: bool


class Received(list[SentSignal]):
    """Every signal of executions since the start of the test, or since `clear()`."""

    @property
    def names(self) -> list[str]:
        return [sent.name for sent in self]

    @property
    def events(self) -> list[Any]:
        return [event for sent in self for event in sent.events]

    @property
    def event(self) -> Any:
        """The only event. Fails if there is none or more than one."""
        (event,) = self.events
        return event


@pytest.fixture
def received() -> Iterator[Received]:
    received = Received()
    receivers = []
    for name, signal in SIGNALS.items():

        def receive(
            sender: type,
            event: Any = None,
            events: Any = None,
            is_last_before_commit: bool = False,
            name: str = name,
            **kwargs: Any,
        ) -> None:
            assert (event is None) != (events is None)
            received.append(
                SentSignal(
                    name=name,
                    sender=sender,
                    events=[event] if events is None else list(events),
                    is_bulk=events is not None,
                    is_inside_transaction=connection.in_atomic_block,
                    is_last_before_commit=is_last_before_commit,
                )
            )

        signal.connect(receive)
        receivers.append((signal, receive))
    yield received
    for signal, receive in receivers:
        signal.disconnect(receive)


@pytest.fixture
def failing_receivers() -> Iterator[None]:
    """Connects a receiver that raises ReceiverError to every signal."""

    def fail(**kwargs: Any) -> None:
        raise ReceiverError

    for signal in SIGNALS.values():
        signal.connect(fail)
    yield
    for signal in SIGNALS.values():
        signal.disconnect(fail)


class ReceiverError(Exception):
    pass


@pytest.fixture
def graph(user: User) -> Graph:
    return Graph.objects.create(owner=user, name="Text insight", nodes=NODES, links=LINKS)


@pytest.fixture
def execution(graph: Graph, user: User) -> GraphExecution:
    """A QUEUED execution. A test that takes `received` after it does not see its signal."""
    return GraphExecution.objects.create(graph=graph, user=user, inputs={"text": "One. Two."})


@pytest.fixture
def node(execution: GraphExecution) -> NodeExecution:
    return NodeExecution.objects.create(graph_execution=execution, node_id="split", block_id="text.sentences")


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("admin"))
    return client


@pytest.fixture
def staff(client: Client, other_user: User) -> Client:
    """A user who may view everything and change nothing."""
    other_user.is_staff = True
    other_user.save()
    other_user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(other_user)
    return client


InThread = Callable[[Callable[[], Any]], Future[Any]]


@pytest.fixture
def in_thread(transactional_db: None) -> Iterator[InThread]:
    """Runs a function in a thread with its own database connection."""
    with ThreadPoolExecutor(max_workers=8) as pool:

        def start(work: Callable[[], Any]) -> Future[Any]:
            def run() -> Any:
                try:
                    return work()
                finally:
                    connections.close_all()

            return pool.submit(run)

        yield start


def wait_for_blocked_transaction() -> None:
    """Returns when a transaction waits for a lock of another one. On SQLite, which cannot be asked, returns at once."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with connection.cursor() as cursor:
        while connection.vendor == "postgresql":
            cursor.execute(query)
            if cursor.fetchone()[0]:
                return


class Statements(ExitStack):
    """The SQL statements on the tables of executions, since the context was last entered."""

    def __enter__(self) -> Self:
        self.verbs: list[str] = []
        self.enter_context(connection.execute_wrapper(self._note))
        return super().__enter__()

    def _note(self, execute: Any, sql: str, *args: Any) -> Any:
        if '"executions_' in sql:
            self.verbs.append(sql.split()[0])
        return execute(sql, *args)


@pytest.fixture
def statements() -> Statements:
    return Statements()


@pytest.fixture
def running(execution: GraphExecution) -> GraphExecution:
    return report_execution(execution, status="RUNNING")
