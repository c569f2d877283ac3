"""Simulated runs, which threads report into a real database."""

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
    """Starts a simulation. By default its nodes take no time."""
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


def until(simulator: Simulator, condition: Callable[[], bool]) -> None:
    while not condition():
        assert not simulator.wait(0.01)


def test_runs_are_reported_from_start_to_end(simulate: Simulate, simulated: Graph, user: User) -> None:
    simulator = simulate(runs=3, payload=50)

    assert simulator.wait(60)

    progress = simulator.progress
    assert (progress.started, progress.completed, progress.failed, progress.abandoned) == (3, 3, 0, 0)
    assert progress.reports == 3 * (1 + 2 * 4 + 1)
    for run in GraphExecution.objects.all():
        assert (run.graph, run.user, run.status, run.runner) == (simulated, user, "COMPLETED", RUNNER)
        assert len(run.outputs["result"][0]) == 50
    assert Counter(NodeExecution.objects.values_list("status", flat=True)) == {"COMPLETED": 12}


def test_a_failed_run_has_its_error(simulate: Simulate) -> None:
    simulator = simulate(runs=2, failures=1)

    assert simulator.wait(60)

    assert simulator.progress.failed == 2
    for run in GraphExecution.objects.all():
        failed = run.node_executions.get(status="FAILED")
        assert failed.output_data == {"error": [FAILURE]}
        assert (run.status, run.stats["error"]) == ("FAILED", f"{failed.node_id}: {FAILURE}")


def test_at_most_the_given_number_of_runs_is_open(simulate: Simulate) -> None:
    open_runs, counts = set(), [0]

    def on_changed(event: object = None, events: object = (), **kwargs: object) -> None:
        for each in events or [event]:  # type: ignore[attr-defined]
            (open_runs.add if each.status in ("QUEUED", "RUNNING") else open_runs.discard)(each.id)
        counts.append(len(open_runs))

    graph_execution_changed.connect(on_changed)
    try:
        assert simulate(runs=8, at_once=2, threads=3).wait(60)
    finally:
        graph_execution_changed.disconnect(on_changed)

    assert GraphExecution.objects.filter(status="COMPLETED").count() == 8
    assert max(counts) == 2


def test_closing_terminates_the_unfinished_runs(simulate: Simulate, execution: GraphExecution) -> None:
    simulator = simulate(node_seconds=1_000, at_once=3)
    until(simulator, lambda: simulator.progress.started == 3)

    simulator.close()

    assert (simulator.progress.abandoned, simulator.wait(0)) == (3, True)
    assert set(GraphExecution.objects.filter(runner=RUNNER).values_list("status", flat=True)) == {"TERMINATED"}
    execution.refresh_from_db()
    assert execution.status == "QUEUED"


def test_runs_that_others_end_or_delete_are_abandoned(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    both_work, is_over = threading.Barrier(3), threading.Event()

    def payload(size: int, rng: random.Random) -> str:
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

    assert simulator.progress.abandoned == simulator.progress.ended == 2


def test_no_run_starts_after_the_given_seconds(simulate: Simulate) -> None:
    assert simulate(rate=0.001, seconds=1).wait(60)
    assert simulate(seconds=0).wait(60)

    assert GraphExecution.objects.count() == 1


def test_an_error_of_a_report_stops_the_simulation_and_is_raised_by_close(simulated: Graph) -> None:
    simulator = Simulator(Plan(), [simulated])
    Graph.objects.all().delete()

    simulator.start()

    assert simulator.wait(60)
    with pytest.raises(Graph.DoesNotExist):
        simulator.close()
