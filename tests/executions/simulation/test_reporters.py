"""Both reporters of the simulator, with the same tests."""

from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import pytest
from django.contrib.auth.models import User

from executions.api.worker_tokens import create_token
from executions.models import Graph, GraphExecution, NodeExecution
from executions.services import terminate_execution
from executions.simulation.fixtures import clean_up, make_graph
from executions.simulation.reporters import HttpReporter, Reporter, RunGone, ServiceReporter
from executions.simulation.worker_client import RequestRefused, WorkerClient
from tests.conftest import StartWebServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def simulated(user: User) -> Graph:
    return make_graph(user, "chain", 2)


@pytest.fixture(params=["services", "http"])
def reporter(request: pytest.FixtureRequest) -> Iterator[Reporter]:
    if request.param == "services":
        yield ServiceReporter()
    else:
        start: StartWebServer = request.getfixturevalue("web_server")
        with closing(HttpReporter(WorkerClient(start().url, create_token("press")[1]))) as reporter:
            yield reporter


def test_reports_are_recorded_and_a_run_that_is_gone_is_an_error(reporter: Reporter, simulated: Graph) -> None:
    done, failed, stopped, deleted = (reporter.start(simulated, {"task": "x"}) for _ in range(4))
    for run in (done, failed, stopped, deleted):
        reporter.report(run, status="RUNNING")
    reporter.report_node(done, node_id="step-1", block_id="b", status="RUNNING", input_data={"task": "y"})
    reporter.report_node(done, node_id="step-1", block_id="b", status="COMPLETED", output_data={"result": ["z"]})
    reporter.report(done, status="COMPLETED", stats={"duration": 1.5}, outputs={"result": ["z"]})
    reporter.report(failed, status="FAILED", stats={"duration": 2.5}, error="why")
    reporter.report(stopped, status="TERMINATED")

    runs = list(GraphExecution.objects.order_by("created_at"))
    assert [run.status for run in runs] == ["COMPLETED", "FAILED", "TERMINATED", "RUNNING"]
    assert {(run.graph, run.user, run.inputs["task"]) for run in runs} == {(simulated, simulated.owner, "x")}
    assert runs[0].outputs == {"result": ["z"]}
    assert [(run.stats or {}).get("duration") for run in runs] == [1.5, 2.5, None, None]
    assert (runs[1].stats or {})["error"] == "why"
    node = NodeExecution.objects.get()
    assert (node.node_id, node.block_id, node.status) == ("step-1", "b", "COMPLETED")
    assert (node.input_data, node.output_data) == ({"task": "y"}, {"result": ["z"]})

    runs[3].delete()
    for run in (failed, stopped, deleted):
        with pytest.raises(RunGone):
            reporter.report_node(run, node_id="step-1", block_id="b", status="RUNNING")
    with pytest.raises(RunGone):
        reporter.report(failed, status="RUNNING")
    with pytest.raises(RunGone):
        reporter.report(deleted, status="TERMINATED")
    terminate_execution(runs[2])

    other = GraphExecution.objects.create(graph=simulated, user=simulated.owner)
    assert clean_up()["executions"] == 3
    assert GraphExecution.objects.get() == other


def test_a_missing_graph_is_not_reported_as_a_run_that_is_gone(reporter: Reporter, simulated: Graph) -> None:
    simulated.pk = uuid4()
    with pytest.raises((Graph.DoesNotExist, RequestRefused)):
        reporter.start(simulated, {})
