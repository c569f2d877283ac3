"""What the tests of executions share: a graph, a run of it, an ear for the signals, threads that clean up."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.dispatch import Signal

from executions import signals
from executions.models import Graph, GraphExecution, NodeExecution

NODES = [{"id": "split", "block_id": "text.sentences"}, {"id": "rank", "block_id": "text.key_sentences"}]
LINKS = [{"source_id": "split", "source_name": "sentences", "sink_id": "rank", "sink_name": "sentences"}]
SIGNALS: dict[str, Signal] = {name: each for name, each in vars(signals).items() if isinstance(each, Signal)}


@dataclass(frozen=True)
class Sent:
    """One signal, as it was sent."""

    name: str
    sender: type
    events: list[Any]
    is_bulk: bool
    is_inside_transaction: bool
    commits_next: bool


class Heard(list[Sent]):
    """Every signal of executions since the test began, or since `clear()`."""

    @property
    def names(self) -> list[str]:
        return [sent.name for sent in self]

    @property
    def events(self) -> list[Any]:
        return [event for sent in self for event in sent.events]

    @property
    def event(self) -> Any:
        """The only one."""
        (event,) = self.events
        return event


@pytest.fixture
def heard() -> Iterator[Heard]:
    heard = Heard()
    receivers = []
    for name, signal in SIGNALS.items():

        def hear(
            sender: type,
            event: Any = None,
            events: Any = None,
            commits_next: bool = False,
            name: str = name,
            **kwargs: Any,
        ) -> None:
            assert (event is None) != (events is None)
            told = [event] if events is None else list(events)
            heard.append(Sent(name, sender, told, events is not None, connection.in_atomic_block, commits_next))

        signal.connect(hear)
        receivers.append((signal, hear))
    yield heard
    for signal, hear in receivers:
        signal.disconnect(hear)


@pytest.fixture
def deaf() -> Iterator[None]:
    """A receiver of every signal that cannot take it."""

    def fail(**kwargs: Any) -> None:
        raise CannotHearError

    for signal in SIGNALS.values():
        signal.connect(fail)
    yield
    for signal in SIGNALS.values():
        signal.disconnect(fail)


class CannotHearError(Exception):
    pass


@pytest.fixture
def graph(user: User) -> Graph:
    return Graph.objects.create(owner=user, name="Text insight", nodes=NODES, links=LINKS)


@pytest.fixture
def execution(graph: Graph, user: User) -> GraphExecution:
    """QUEUED, and nobody has told it yet to anyone who listens from here on."""
    return GraphExecution.objects.create(graph=graph, user=user, inputs={"text": "One. Two."})


@pytest.fixture
def node(execution: GraphExecution) -> NodeExecution:
    return NodeExecution.objects.create(graph_execution=execution, node_id="split", block_id="text.sentences")


InThread = Callable[[Callable[[], Any]], Future[Any]]


@pytest.fixture
def in_thread(transactional_db: None) -> Iterator[InThread]:
    """Runs something in a thread with a database connection of its own."""
    with ThreadPoolExecutor(max_workers=8) as pool:

        def start(work: Callable[[], Any]) -> Future[Any]:
            def run() -> Any:
                try:
                    return work()
                finally:
                    connections.close_all()

            return pool.submit(run)

        yield start


def until_one_waits() -> None:
    """Returns once a transaction waits for another's lock. SQLite does not tell; there every writer waits for all."""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with connection.cursor() as cursor:
        while connection.vendor == "postgresql":
            cursor.execute(asked)
            if cursor.fetchone()[0]:
                return


class Statements(ExitStack):
    """What was asked of our own tables since it was last entered."""

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
