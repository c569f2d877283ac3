"""Simulated runs, reported by threads into a real database."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User

from executions.models import Graph, GraphExecution, NodeExecution
from executions.services import terminate_execution
from executions.signals import graph_execution_changed
from executions.simulation import simulator as simulator_module
from executions.simulation.fixtures import RUNNER, make_graph
from executions.simulation.simulator import Simulator
from executions.simulation.timeline import FAILURE, Plan

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def simulated(user: User) -> Graph:
    return make_graph(user, "fan", 4)


Simulate = Callable[..., Simulator]


@pytest.fixture
def simulate(simulated: Graph) -> Iterator[Simulate]:
    """Starts a simulation whose nodes take no time, unless the test says otherwise."""
    started = []

    def simulate(**plan: object) -> Simulator:
        quick = {"rate": 0, "node_seconds": 0, "failures": 0, "threads": 2, "seed": 1}
        simulator = Simulator(Plan(**{**quick, **plan}), [simulated])  # type: ignore[arg-type]
        simulator.start()
        started.append(simulator)
        return simulator

    yield simulate
    for simulator in started:
        simulator.close()


def until(simulator: Simulator, is_so: Callable[[], bool]) -> None:
    while not is_so():
        assert not simulator.wait(0.01)


def test_runs_are_made_from_their_beginning_to_their_end(simulate: Simulate, simulated: Graph, user: User) -> None:
    simulator = simulate(runs=3, payload=50)

    assert simulator.wait(60)

    progress = simulator.progress
    assert (progress.started, progress.completed, progress.failed, progress.left) == (3, 3, 0, 0)
    assert progress.reports == 3 * (1 + 2 * 4 + 1)
    for run in GraphExecution.objects.all():
        assert (run.graph, run.user, run.status, run.runner) == (simulated, user, "COMPLETED", RUNNER)
        assert len(run.outputs["result"][0]) == 50
    assert Counter(NodeExecution.objects.values_list("status", flat=True)) == {"COMPLETED": 12}


def test_a_failing_run_says_why(simulate: Simulate) -> None:
    simulator = simulate(runs=2, failures=1)

    assert simulator.wait(60)

    assert simulator.progress.failed == 2
    for run in GraphExecution.objects.all():
        failed = run.node_executions.get(status="FAILED")
        assert failed.output_data == {"error": [FAILURE]}
        assert (run.status, run.stats["error"]) == ("FAILED", f"{failed.node_id}: {FAILURE}")


def test_no_more_runs_are_under_way_than_were_asked_for(simulate: Simulate) -> None:
    under_way, most = set(), [0]

    def on_changed(event: object = None, events: object = (), **kwargs: object) -> None:
        for each in events or [event]:  # type: ignore[attr-defined]
            (under_way.add if each.status in ("QUEUED", "RUNNING") else under_way.discard)(each.id)
        most.append(len(under_way))

    graph_execution_changed.connect(on_changed)
    try:
        assert simulate(runs=8, at_once=2, threads=3).wait(60)
    finally:
        graph_execution_changed.disconnect(on_changed)

    assert GraphExecution.objects.filter(status="COMPLETED").count() == 8
    assert max(most) == 2


def test_when_it_is_stopped_its_unfinished_runs_are_terminated(simulate: Simulate, execution: GraphExecution) -> None:
    simulator = simulate(node_seconds=1_000, at_once=3)
    until(simulator, lambda: simulator.progress.started == 3)

    simulator.close()

    assert (simulator.progress.left, simulator.wait(0)) == (3, True)
    assert set(GraphExecution.objects.filter(runner=RUNNER).values_list("status", flat=True)) == {"TERMINATED"}
    execution.refresh_from_db()
    assert execution.status == "QUEUED"


def test_runs_that_somebody_else_ends_or_deletes_are_left(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    both_work, is_over = threading.Barrier(3), threading.Event()

    def payload(size: int, chance: random.Random) -> str:
        both_work.wait(30)
        assert is_over.wait(30)
        return ""

    monkeypatch.setattr(simulator_module, "payload", payload)
    simulator = simulate(runs=2)
    both_work.wait(30)
    first, second = GraphExecution.objects.order_by("created_at")
    terminate_execution(first)
    second.delete()
    is_over.set()

    assert simulator.wait(60)

    assert simulator.progress.left == simulator.progress.ended == 2


def test_no_run_begins_after_the_seconds_are_over(simulate: Simulate) -> None:
    assert simulate(rate=0.001, seconds=1).wait(60)
    assert simulate(seconds=0).wait(60)

    assert GraphExecution.objects.count() == 1


def test_what_a_report_raises_ends_it_and_is_told(simulated: Graph) -> None:
    simulator = Simulator(Plan(), [simulated])
    Graph.objects.all().delete()

    simulator.start()

    assert simulator.wait(60)
    with pytest.raises(Graph.DoesNotExist):
        simulator.close()
