"""The data of an execution's page."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from executions.models import Graph, GraphExecution
from executions.services import finish_execution, report_execution, report_node, requeue_execution, terminate_execution
from executions.web.execution_page import NodeCount, run_page

pytestmark = pytest.mark.django_db

DIAMOND = {
    "nodes": [{"id": id, "block_id": "b"} for id in ("start", "left", "right", "end")],
    "links": [
        {"source_id": source, "source_name": "out", "sink_id": sink, "sink_name": sink + source}
        for source, sink in (("start", "left"), ("start", "right"), ("left", "end"), ("right", "end"))
    ],
}


@pytest.fixture
def execution(user: User) -> GraphExecution:
    graph = Graph.objects.create(owner=user, name="Diamond", **DIAMOND)
    execution = GraphExecution.objects.create(user=user, graph=graph, definition=DIAMOND, status="RUNNING")
    return GraphExecution.objects.get(pk=execution.pk)


def stages(execution: GraphExecution) -> list[list[str]]:
    return [[node.id for node in stage] for stage in run_page(execution).stages]


def test_a_stage_holds_nodes_that_can_run_in_parallel(execution: GraphExecution) -> None:
    assert stages(execution) == [["start"], ["left", "right"], ["end"]]


@pytest.mark.parametrize(
    ("definition", "count"), [(DIAMOND, 4), ({}, 0), ([], 0), ({"nodes": "none"}, 0), ({"nodes": {"a": 1}}, 0)]
)
def test_the_database_counts_the_nodes_of_a_definition(execution: GraphExecution, definition: Any, count: int) -> None:
    GraphExecution.objects.filter(pk=execution.pk).update(definition=definition)
    assert GraphExecution.objects.annotate(total=NodeCount("definition")).get().total == count


def test_a_page_holds_cut_texts_and_no_large_values(execution: GraphExecution) -> None:
    report_execution(execution, status="RUNNING")
    report_node(execution, node_id="start", status="RUNNING", input_data={"a": [1] * 9_000})
    done = finish_execution(execution, outputs={"b": list(range(9_000)), "report": ["# Title"]})
    page = run_page(done)
    node = page.stages[0][0]
    assert [len(value.text) for value in (*page.outputs, *node.inputs)] == [2_000, 2_000]
    assert {"definition", "inputs", "outputs", "stats"} <= done.get_deferred_fields()
    assert node.execution
    assert node.execution.get_deferred_fields() >= {"input_data", "output_data"}
    assert done.outputs["report"] == ["# Title"]  # read again


def test_progress_counts_the_completed_nodes(execution: GraphExecution) -> None:
    report_node(execution, node_id="start", status="RUNNING")
    report_node(execution, node_id="start", status="COMPLETED", output_data={"out": ["x"]})
    report_node(execution, node_id="left", status="RUNNING")
    page = run_page(execution)
    assert (page.done, page.total) == (1, 4)
    assert [node.status for node in page.nodes] == ["COMPLETED", "RUNNING", "", ""]


def test_a_node_outside_the_definition_is_shown_in_the_last_stage(execution: GraphExecution) -> None:
    report_node(execution, node_id="extra", status="RUNNING")
    assert stages(execution)[-1] == ["extra"]


@pytest.mark.parametrize("definition", [{}, {"nodes": "none"}, {"nodes": [{"id": 1}]}])
def test_a_definition_of_another_engine_is_no_error(execution: GraphExecution, definition: Any) -> None:
    GraphExecution.objects.filter(pk=execution.pk).update(definition=definition)
    execution.refresh_from_db()
    report_node(execution, node_id="theirs", status="RUNNING")
    assert stages(execution) == [["theirs"]]


def test_only_the_present_attempt_is_shown(execution: GraphExecution) -> None:
    report_node(execution, node_id="start", status="RUNNING")
    terminate_execution(execution)
    again = requeue_execution(execution)
    assert [node.status for node in run_page(again).nodes] == ["", "", "", ""]


def test_events_are_listed_newest_first(execution: GraphExecution) -> None:
    report_execution(execution, status="RUNNING")
    report_node(execution, node_id="start", status="RUNNING")
    done = finish_execution(execution, status="FAILED", error="No.")
    page = run_page(done)
    assert page.has_ended
    assert page.error == "No."
    listed = [(happening.what, happening.status) for happening in page.happenings]
    assert listed[0] == ("Run", "FAILED")
    assert ("start", "TERMINATED") in listed


def test_a_report_is_rendered_without_the_html_of_the_run(execution: GraphExecution) -> None:
    done = finish_execution(execution, outputs={"report": ["# Title\n\n<script>alert(1)</script>"], "count": [3]})
    page = run_page(done)
    assert "<h" in page.report
    assert "<script>" not in page.report
    assert [value.name for value in page.outputs] == ["count"]
