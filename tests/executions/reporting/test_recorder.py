"""Reports are recorded all or none; each change is one event, in the order of the reports."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from executions.models import Graph, GraphExecution, NodeExecution
from executions.recording.queryset import TooManyEvents
from executions.reporting.reports import (
    ExecutionHasEnded,
    ExecutionReport,
    NodeHasEnded,
    NodeMismatch,
    NodeOutputs,
    NodeReport,
    Report,
    ReportRefused,
    UnknownNode,
)
from executions.services import append_node_outputs, report_all, report_execution, report_node
from executions.statuses import IllegalTransition
from executions.storable import UnstorableValue
from realtime.models import StreamEvent
from tests.executions.conftest import Received, ReceiverError
from tests.executions.reporting.stored import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(graph: Graph, user: User) -> GraphExecution:
    return GraphExecution.objects.create(graph=graph, user=user, status="RUNNING")


def test_the_returned_rows_equal_the_stored_rows(run: GraphExecution) -> None:
    id = uuid4()
    recorded = report_all(
        [
            NodeReport(run, node_id="a", status="QUEUED", input_data={"when": run.created_at}),
            NodeReport(run, node_id="b", status="RUNNING", block_id="é", node_exec_id=str(id).upper()),
            NodeOutputs(run, node_id="b", outputs={"x": [1.5, None, "\u2028", 10**30]}),
            NodeReport(run, node_id="a", status="RUNNING"),
            ExecutionReport(run, status="RUNNING", outputs={"x": [True]}),
        ]
    )
    a, b, same_b, same_a, execution = recorded
    assert (same_a is a, same_b is b) == (True, True)
    for row in (a, b, execution):
        stored = type(row)._base_manager.get(pk=row.pk)
        fields = [field.attname for field in row._meta.concrete_fields]
        assert {name: getattr(row, name) for name in fields} == {name: getattr(stored, name) for name in fields}
        assert row._state.adding is False
    assert b.pk == id


def test_a_row_that_report_all_created_can_be_saved_and_reported_on(run: GraphExecution) -> None:
    (node,) = report_all([NodeReport(run, node_id="a", status="RUNNING")])
    assert isinstance(node, NodeExecution)
    node.output_data = {"x": [1]}
    node.save()
    report_all([NodeReport(run, node_id="a", status="COMPLETED")])
    assert NodeExecution.objects.get().output_data == {"x": [1]}


def test_no_reports_send_no_signal(received: Received) -> None:
    assert report_all([]) == []
    assert received == []


# Signals


def test_every_change_is_an_event_in_the_order_of_the_reports(run: GraphExecution, received: Received) -> None:
    received.clear()
    report_all(
        [
            NodeReport(run, node_id="a", status="QUEUED"),
            NodeReport(run, node_id="a", status="RUNNING"),
            ExecutionReport(run, status="RUNNING", stats={"cost": 1}),
            NodeReport(run, node_id="a", status="COMPLETED"),
            NodeReport(run, node_id="b", status="RUNNING"),
            ExecutionReport(run, status="COMPLETED"),
        ]
    )
    all_of_them, *by_model = received
    assert (all_of_them.name, all_of_them.sender) == ("reports_recorded", None)
    assert [event.status for event in all_of_them.events] == [
        *("QUEUED", "RUNNING", "RUNNING", "COMPLETED", "RUNNING", "TERMINATED", "COMPLETED")
    ]
    assert [(sent.sender, sent.is_bulk, len(sent.events)) for sent in by_model] == [
        (NodeExecution, True, 2),
        (GraphExecution, False, 1),
        (NodeExecution, True, 3),
        (GraphExecution, False, 1),
    ]
    assert [event for sent in by_model for event in sent.events] == all_of_them.events
    assert all(sent.is_inside_transaction for sent in received)


def test_a_report_that_changes_nothing_sends_no_signal(run: GraphExecution, received: Received) -> None:
    received.clear()
    report_all([ExecutionReport(run, status="RUNNING")])
    assert received == []


@pytest.mark.django_db(transaction=True)
def test_a_report_of_one_change_is_last_before_the_commit(run: GraphExecution, received: Received) -> None:
    received.clear()
    report_node(run, node_id="a", status="RUNNING")
    append_node_outputs(run, node_id="a", outputs={"x": [1]})
    assert [sent.is_last_before_commit for sent in received] == [True, True]
    received.clear()
    with transaction.atomic():
        report_node(run, node_id="b", status="RUNNING")
    report_execution(run, status="COMPLETED")  # terminates both nodes too
    assert [sent.is_last_before_commit for sent in received] == [False, False, False]


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_raises_makes_all_reports_fail(run: GraphExecution, failing_receivers: None) -> None:
    before = rows()
    with pytest.raises(ReceiverError):
        report_all([NodeReport(run, node_id="a", status="RUNNING"), ExecutionReport(run, status="COMPLETED")])
    assert rows() == before


@pytest.mark.django_db(transaction=True)
def test_the_streams_hold_every_change_in_order(run: GraphExecution) -> None:
    report_all(
        [
            NodeReport(run, node_id="a", status="QUEUED"),
            ExecutionReport(run, status="RUNNING", stats={"cost": 1}),
            NodeReport(run, node_id="a", status="RUNNING"),
            NodeOutputs(run, node_id="a", outputs={"x": [1]}),
            NodeOutputs(run, node_id="a", outputs={"x": [2]}),
            ExecutionReport(run, status="COMPLETED"),
        ]
    )
    stream = StreamEvent.objects.filter(stream__key__endswith=f"graph_exec#{run.pk}").order_by("seq")
    seqs, texts = zip(*stream.values_list("seq", "data"), strict=True)
    assert [later - sooner for sooner, later in pairwise(seqs)] == [1] * 7
    _, *recorded = [json.loads(text) for text in texts]
    assert [(each["event_type"][:4], each["status"], each.get("output_data", {}).get("x")) for each in recorded] == [
        ("node", "QUEUED", None),
        ("grap", "RUNNING", None),
        ("node", "RUNNING", None),
        ("node", "RUNNING", [1]),
        ("node", "RUNNING", [1, 2]),
        ("node", "TERMINATED", [1, 2]),
        ("grap", "COMPLETED", None),
    ]
    assert StreamEvent.objects.filter(stream__key__endswith="executions").count() == 3


# Refusals


WRONG: dict[str, tuple[Callable[[GraphExecution], Report], type[Exception], str]] = {
    "transition": (lambda run: ExecutionReport(run, status="INCOMPLETE"), IllegalTransition, "INCOMPLETE may not"),
    "node's transition": (lambda run: NodeReport(run, node_id="a", status="QUEUED"), IllegalTransition, "QUEUED may"),
    "status": (lambda run: NodeReport(run, node_id="a", status="DONE"), ValueError, "not a valid ExecutionStatus"),
    "unknown": (lambda run: NodeOutputs(run, node_id="z", outputs={"x": [1]}), UnknownNode, "no execution of node z"),
    "no UUID": (
        lambda run: NodeOutputs(run, node_id="a", outputs={"x": [1]}, node_exec_id="one"),
        ValueError,
        "node_exec_id is 'one', which is no UUID",
    ),
    "NUL": (
        lambda run: NodeReport(run, node_id="a", status="RUNNING", output_data={"x": ["\0"]}),
        UnstorableValue,
        r"output_data.x\[0\] holds the character U\+0000",
    ),
    "NUL in an id": (lambda run: NodeReport(run, node_id="\0", status="RUNNING"), UnstorableValue, "node_id holds"),
    "long": (lambda run: NodeReport(run, node_id="é" * 256, status="RUNNING"), UnstorableValue, "256 characters"),
    "long block": (
        lambda run: NodeReport(run, node_id="a", status="RUNNING", block_id="b" * 256),
        UnstorableValue,
        "block_id holds 256",
    ),
    "no lists": (
        lambda run: NodeReport(run, node_id="a", status="RUNNING", output_data={"x": 1}),  # type: ignore[dict-item]
        ValueError,
        "output_data.x",
    ),
    "no end": (
        lambda run: ExecutionReport(run, status="RUNNING", error="x"),
        ValueError,
        "finishes as COMPLETED or FAILED, not as RUNNING",
    ),
    "gone": (
        lambda run: ExecutionReport(GraphExecution(), status="RUNNING"),
        GraphExecution.DoesNotExist,
        "There is no execution",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_report_is_named_and_nothing_changes(run: GraphExecution, received: Received, name: str) -> None:
    wrong, kind, message = WRONG[name]
    received.clear()
    before = rows()
    with transaction.atomic():
        with pytest.raises(ReportRefused, match=f"(?s)Report 2: .*{message}") as caught:
            report_all(
                [
                    ExecutionReport(run, status="RUNNING", outputs={"x": [1]}),
                    NodeReport(run, node_id="a", status="RUNNING"),
                    wrong(run),
                    ExecutionReport(run, status="COMPLETED"),
                ]
            )
        assert isinstance(caught.value.error, kind)
        assert rows() == before, "and the transaction around it goes on"
    assert received == []


def test_an_execution_that_ends_refuses_the_next_reports_of_the_same_call(run: GraphExecution) -> None:
    node, end = NodeReport(run, node_id="a", status="RUNNING"), ExecutionReport(run, status="FAILED", error="x")
    with pytest.raises(ReportRefused) as caught:
        report_all([node, end, node])
    assert (caught.value.index, type(caught.value.error)) == (2, ExecutionHasEnded)
    done = NodeReport(run, node_id="a", status="COMPLETED")
    with pytest.raises(ReportRefused) as caught:
        report_all([done, NodeOutputs(run, node_id="a", outputs={"x": [1]})])
    assert (caught.value.index, type(caught.value.error)) == (1, NodeHasEnded)


def test_an_id_of_another_execution_is_refused(run: GraphExecution, graph: Graph, user: User) -> None:
    other = GraphExecution.objects.create(graph=graph, user=user, status="RUNNING")
    theirs = report_node(other, node_id="a", status="RUNNING")
    for id in (theirs.pk, str(theirs.pk)):
        with pytest.raises(ReportRefused) as caught:
            report_all([NodeReport(run, node_id="a", status="RUNNING", node_exec_id=id)])
        assert type(caught.value.error) is NodeMismatch
    # The same holds if this call has created it.
    id = uuid4()
    reports = [NodeReport(each, node_id="a", status="RUNNING", node_exec_id=id) for each in (run, other)]
    with pytest.raises(ReportRefused) as caught:
        report_all(reports)
    assert (caught.value.index, type(caught.value.error)) == (1, NodeMismatch)


def test_more_reports_than_the_limit_are_refused(run: GraphExecution, settings: Any) -> None:
    settings.EXECUTIONS = {"MAX_BULK_EVENTS": 2}
    with pytest.raises(TooManyEvents, match="MAX_BULK_EVENTS"):
        report_all([NodeReport(run, node_id="a", status="RUNNING")] * 3)
