"""The embedded runner as a whole: it runs each queued execution once and leaves nothing behind."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import models, transaction
from pytest_django import Settings

from executions.events import GraphExecutionEvent
from executions.leases import claim_next
from executions.models import Graph, GraphExecution
from executions.runner.runner import EmbeddedRunner
from executions.services import start_execution, terminate_execution
from executions.signals import graph_execution_changed
from executions.statuses import ENDED
from tests.executions.gates import until_killed

pytestmark = pytest.mark.django_db(transaction=True)

FOR_EVER = 3_600.0
StartRunner = Callable[..., EmbeddedRunner]


class Watch:
    """Waits for committed status changes without polling."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []  # execution id, status
        self._changed = threading.Condition()

    def on_changed(self, event: Any = None, events: Any = (), **kwargs: Any) -> None:
        for each in events or [event]:
            transaction.on_commit(lambda each=each: self._see(each))  # type: ignore[misc]

    def _see(self, event: GraphExecutionEvent) -> None:
        with self._changed:
            self.seen.append((event.id, event.status))
            self._changed.notify_all()

    def wait_for(self, status: str, *executions: GraphExecution) -> None:
        def have_all() -> bool:
            return all((str(execution.pk), status) in self.seen for execution in executions)

        with self._changed:
            assert self._changed.wait_for(have_all, timeout=60), f"{status} expected, after {self.seen}"

    def count(self, status: str, execution: GraphExecution) -> int:
        return self.seen.count((str(execution.pk), status))


@pytest.fixture
def watch() -> Iterator[Watch]:
    watch = Watch()
    graph_execution_changed.connect(watch.on_changed)
    yield watch
    graph_execution_changed.disconnect(watch.on_changed)


@pytest.fixture
def start_runner(settings: Settings) -> Iterator[StartRunner]:
    """Starts runners that stop at the end of the test."""
    with ExitStack() as life:

        def start(**limits: Any) -> EmbeddedRunner:
            settings.EXECUTIONS = {
                "BLOCK_MODULES": ("tests.executions.sample_blocks",),
                "POLL_INTERVAL": 0.05,
                "BLOCK_PROCESSES": 1,
                **limits,
            }
            runner = EmbeddedRunner()
            runner.start()
            life.callback(runner.stop)
            return runner

        yield start


@pytest.fixture
def echo(user: User) -> Callable[..., GraphExecution]:
    """Starts an execution of a graph with one node that returns its `value`."""
    graph = Graph.objects.create(owner=user, name="echo", nodes=[{"id": "a", "block_id": "test.echo"}])
    return lambda **more: start_execution(graph, user=user, **{"inputs": {"value": 1}, "runner": "embedded", **more})


@pytest.fixture
def waiting(user: User, gate: Path) -> Callable[[], GraphExecution]:
    """Starts an execution of a graph with one node that waits at the gate."""
    node = {"id": "a", "block_id": "test.wait", "input_default": {"gate": str(gate)}}
    graph = Graph.objects.create(owner=user, name="waiting", nodes=[node])
    return lambda: start_execution(graph, user=user, runner="embedded")


def status_of(execution: GraphExecution) -> str:
    execution.refresh_from_db()
    return execution.status


def test_an_execution_queued_before_the_start_is_run(start_runner: StartRunner, watch: Watch, echo: Any) -> None:
    execution = echo()

    start_runner()

    watch.wait_for("COMPLETED", execution)
    execution.refresh_from_db()
    assert execution.outputs == {"value": [1]}


def test_an_execution_queued_by_this_process_is_run_at_its_commit(
    start_runner: StartRunner, watch: Watch, echo: Any
) -> None:
    start_runner(POLL_INTERVAL=FOR_EVER)  # so only the commit can wake it
    first = echo()
    watch.wait_for("COMPLETED", first)

    with transaction.atomic():
        second = echo()

    watch.wait_for("COMPLETED", second)


def test_an_execution_queued_by_another_process_is_found(start_runner: StartRunner, watch: Watch, echo: Any) -> None:
    execution = echo()
    terminate_execution(execution)
    start_runner()
    rows = models.QuerySet(GraphExecution).filter(pk=execution.pk)

    rows.update(status="QUEUED")  # Django's own update: it sends no signal in this process

    watch.wait_for("COMPLETED", execution)


def test_runs_beyond_the_limit_wait(
    start_runner: StartRunner, watch: Watch, echo: Any, waiting: Any, gate: Path
) -> None:
    start_runner(RUNS=1, POLL_INTERVAL=FOR_EVER)
    first = waiting()
    with gate.open("wb") as opened:
        second = echo()
        assert status_of(second) == "QUEUED"
        opened.write(b"open")

    watch.wait_for("COMPLETED", first, second)


def test_two_runners_on_one_database_run_each_execution_once(
    start_runner: StartRunner, watch: Watch, echo: Any
) -> None:
    executions = [echo() for _ in range(12)]
    start_runner()
    start_runner()
    executions += [echo() for _ in range(12)]

    watch.wait_for("COMPLETED", *executions)

    for execution in executions:
        assert [watch.count(status, execution) for status in ("QUEUED", "RUNNING", "COMPLETED")] == [1, 1, 1]
        assert execution.node_executions.count() == 1


def test_runs_of_other_engines_are_ignored(start_runner: StartRunner, watch: Watch, echo: Any) -> None:
    theirs = echo(runner="celery")
    ours = echo()

    start_runner()

    watch.wait_for("COMPLETED", ours)
    assert status_of(theirs) == "QUEUED"


def test_a_terminated_run_is_stopped_and_the_next_one_starts(
    start_runner: StartRunner, watch: Watch, echo: Any, waiting: Any, gate: Path
) -> None:
    start_runner(RUNS=1, POLL_INTERVAL=FOR_EVER)
    stuck = waiting()
    with until_killed(gate):
        terminate_execution(stuck)
        following = echo()

        watch.wait_for("COMPLETED", following)

    assert status_of(stuck) == "TERMINATED"
    assert stuck.node_executions.get().status == "TERMINATED"


def test_a_stopped_runner_returns_its_runs_to_the_queue(
    start_runner: StartRunner, watch: Watch, waiting: Any, gate: Path
) -> None:
    runner = start_runner()
    execution = waiting()
    with until_killed(gate):
        runner.stop()
    assert (status_of(execution), execution.runner) == ("QUEUED", "embedded")

    start_runner()
    gate.write_bytes(b"open")

    watch.wait_for("COMPLETED", execution)


def test_a_stopped_runner_claims_no_more_runs(start_runner: StartRunner, echo: Any) -> None:
    start_runner().stop()

    assert status_of(echo()) == "QUEUED"
    assert claim_next()


def test_a_runner_that_was_never_started_can_be_stopped(settings: Settings) -> None:
    EmbeddedRunner().stop()


def test_the_lease_of_a_long_run_is_renewed(start_runner: StartRunner, watch: Watch, waiting: Any, gate: Path) -> None:
    start_runner(HEARTBEAT=0.01, POLL_INTERVAL=0.01, LEASE=30)
    execution = waiting()
    with gate.open("wb") as opened:
        execution.refresh_from_db()
        first = execution.lease_expires_at
        GraphExecution.objects.filter(pk=execution.pk).update(lease_expires_at=first - timedelta(seconds=20))
        while execution.lease_expires_at <= first:
            execution.refresh_from_db()
        opened.write(b"open")

    watch.wait_for("COMPLETED", execution)


def test_a_stopped_runner_leaves_no_thread_behind(start_runner: StartRunner, watch: Watch, echo: Any) -> None:
    runner = start_runner()
    watch.wait_for("COMPLETED", echo())

    runner.stop()

    names = [thread.name for thread in threading.enumerate()]
    assert not any(name.startswith("executions-runner") for name in names)
    assert set(GraphExecution.objects.values_list("status", flat=True)) <= ENDED


def test_users_take_turns(start_runner: StartRunner, watch: Watch, user: User, other_user: User, echo: Any) -> None:
    theirs = [echo() for _ in range(20)]
    graph = theirs[0].graph
    mine = start_execution(graph, user=other_user, inputs={"value": 1}, runner="embedded")
    start_runner(RUNS=1, MAX_RUNS=1)

    watch.wait_for("COMPLETED", mine, *theirs)

    started = [id for id, status in watch.seen if status == "RUNNING"]
    assert started.index(str(mine.pk)) == 1


def test_another_user_starts_while_one_has_as_many_runs_as_allowed(
    start_runner: StartRunner, watch: Watch, other_user: User, echo: Any, waiting: Any, gate: Path
) -> None:
    start_runner(RUNS=1, POLL_INTERVAL=FOR_EVER)
    stuck = waiting()
    with gate.open("wb") as opened:
        theirs = [echo() for _ in range(20)]
        mine = start_execution(theirs[0].graph, user=other_user, inputs={"value": 1}, runner="embedded")

        watch.wait_for("COMPLETED", mine)

        assert {status_of(each) for each in theirs} == {"QUEUED"}
        opened.write(b"open")
    watch.wait_for("COMPLETED", stuck, *theirs)
