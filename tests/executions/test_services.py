"""What each function does to rows, which signals it sends, and what it refuses."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from pydantic import ValidationError as PydanticError

from executions.events import GraphExecutionEvent
from executions.models import Graph, GraphExecution, NodeExecution, Notification
from executions.services import (
    ExecutionHasEnded,
    finish_execution,
    mark_read,
    notify_user,
    report_execution,
    report_node,
    requeue_execution,
    start_execution,
    terminate_execution,
)
from executions.statuses import ExecutionStatus, IllegalTransition
from tests.executions.conftest import LINKS, NODES, Received

pytestmark = pytest.mark.django_db


def statuses(execution: GraphExecution) -> dict[str, str]:
    return dict(execution.node_executions.values_list("node_id", "status"))


# start_execution


def test_a_started_execution_is_queued_with_the_saved_graph(graph: Graph, other_user: User, received: Received) -> None:
    graph.nodes = []  # not saved
    execution = start_execution(
        graph, user=other_user, inputs={"text": "x"}, preset_id="p1", is_dry_run=True, runner="r1"
    )
    execution.refresh_from_db()
    assert execution.status == "QUEUED"
    assert (execution.user, execution.graph, execution.graph_version) == (other_user, graph, 1)
    assert execution.definition == {"nodes": NODES, "links": LINKS}
    assert (execution.inputs, execution.preset_id) == ({"text": "x"}, "p1")
    assert (execution.is_dry_run, execution.runner) == (True, "r1")
    assert received.event == execution.to_event()
    assert not execution.node_executions.exists()


def test_an_execution_keeps_its_definition_when_the_graph_changes(graph: Graph, user: User) -> None:
    execution = start_execution(graph, user=user)
    graph.nodes, graph.links = [], []
    graph.save()
    execution.refresh_from_db()
    assert execution.definition["nodes"] == NODES
    assert (execution.graph_version, execution.graph.version) == (1, 2)


def test_a_deleted_graph_cannot_be_started(graph: Graph, user: User) -> None:
    Graph.objects.all().delete()
    with pytest.raises(Graph.DoesNotExist):
        start_execution(graph, user=user)


# report_node


def test_the_first_report_creates_the_node_and_the_next_ones_change_it(
    running: GraphExecution, received: Received
) -> None:
    made = report_node(running, node_id="split", block_id="b1", status="QUEUED", input_data={"text": "x"})
    assert made.queue_time
    for status in ("RUNNING", "COMPLETED"):
        node = report_node(running, node_id="split", status=status)
    done = report_node(running, node_id="split", status="COMPLETED", output_data={"out": [1]})
    assert {made.pk} == {node.pk, done.pk} == set(running.node_executions.values_list("pk", flat=True))
    assert (done.block_id, done.input_data, done.output_data) == ("b1", {"text": "x"}, {"out": [1]})
    assert [event.status for event in received.events] == ["QUEUED", "RUNNING", "COMPLETED", "COMPLETED"]
    assert received.events[-1] == NodeExecution.objects.get().to_event()


def test_given_data_replaces_the_old_data(running: GraphExecution) -> None:
    report_node(running, node_id="split", status="RUNNING", output_data={"a": [1], "b": [2]})
    report_node(running, node_id="split", status="RUNNING", output_data={"a": [1, 2]})
    assert report_node(running, node_id="split", status="RUNNING").output_data == {"a": [1, 2]}
    assert report_node(running, node_id="split", status="RUNNING", output_data={}).output_data == {}


def test_an_engine_may_run_a_node_several_times_with_its_own_ids(running: GraphExecution) -> None:
    first, second = uuid4(), uuid4()
    for node_exec_id in (first, str(second)):
        report_node(running, node_id="split", status="RUNNING", node_exec_id=node_exec_id)
    report_node(running, node_id="split", status="COMPLETED", node_exec_id=str(first).upper())
    assert dict(running.node_executions.values_list("pk", "status")) == {first: "COMPLETED", second: "RUNNING"}
    # A report without an id is about the latest node execution.
    assert report_node(running, node_id="split", status="FAILED").pk == second


def test_an_id_belongs_to_one_node_of_one_execution(running: GraphExecution, received: Received) -> None:
    node = report_node(running, node_id="split", status="RUNNING")
    other = start_execution(running.graph, user=running.user)
    received.clear()
    for execution, node_id in ((running, "rank"), (other, "split")):
        with pytest.raises(ValueError, match=f"Node execution {node.pk} is of node split in execution {running.pk}"):
            report_node(execution, node_id=node_id, status="RUNNING", node_exec_id=node.pk)
    with pytest.raises(ValueError, match="node_exec_id is 'node-1', which is no UUID"):
        report_node(running, node_id="split", status="RUNNING", node_exec_id="node-1")
    assert received == []


def test_a_stale_report_is_refused_and_changes_nothing(running: GraphExecution, received: Received) -> None:
    report_node(running, node_id="split", status="RUNNING", output_data={"out": [1]})
    report_node(running, node_id="split", status="COMPLETED")
    received.clear()
    with transaction.atomic():
        with pytest.raises(IllegalTransition, match="RUNNING may not follow COMPLETED"):
            report_node(running, node_id="split", status="RUNNING", output_data={"out": [2]})
        assert NodeExecution.objects.get().output_data == {"out": [1]}
    assert received == []


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "TERMINATED"])
def test_nodes_of_an_ended_execution_cannot_be_reported(
    running: GraphExecution, received: Received, status: str
) -> None:
    report_node(running, node_id="split", status="RUNNING")
    report_execution(running, status=status)
    received.clear()
    for node_id in ("split", "rank"):
        with pytest.raises(ExecutionHasEnded) as caught:
            report_node(running, node_id=node_id, status="COMPLETED")
        assert caught.value.status == status
        assert str(caught.value) == f"Execution {running.pk} has ended ({status}): its nodes can no longer be reported."
    assert statuses(running) == {"split": "TERMINATED"}
    assert received == []


def test_outputs_of_the_wrong_shape_are_refused(running: GraphExecution, received: Received) -> None:
    with pytest.raises(PydanticError, match=r"output_data\.out"):
        report_node(running, node_id="split", status="RUNNING", output_data={"out": 5})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="not a valid ExecutionStatus"):
        report_node(running, node_id="split", status="DONE")
    assert not running.node_executions.exists()
    assert received == []


def test_a_deleted_execution_cannot_be_reported_on(running: GraphExecution) -> None:
    GraphExecution.objects.all().delete()
    for call in (terminate_execution, requeue_execution, finish_execution):
        with pytest.raises(GraphExecution.DoesNotExist):
            call(running)
    with pytest.raises(GraphExecution.DoesNotExist):
        report_node(running, node_id="split", status="RUNNING")


# The execution as a whole


def test_the_event_of_a_report_holds_the_row_and_not_the_stale_instance(
    execution: GraphExecution, received: Received
) -> None:
    stale = GraphExecution.objects.get(pk=execution.pk)
    report_execution(execution, status="RUNNING", outputs={"a": [1]})
    after = report_execution(stale, status="REVIEW", stats=GraphExecutionEvent.Stats(cost=3))
    assert (after.status, after.outputs, after.started_at is not None) == ("REVIEW", {"a": [1]}, True)
    assert received.events[-1] == GraphExecution.objects.get().to_event() == after.to_event()
    assert received.events[-1].stats.cost == 3


def test_finish_execution_writes_outputs_and_stats(running: GraphExecution, received: Received) -> None:
    done = finish_execution(running, outputs={"report": ["# x"]}, stats={"cost": 2, "node_exec_count": 2})
    assert (done.status, done.outputs) == ("COMPLETED", {"report": ["# x"]})
    assert done.ended_at
    assert received.event.stats.node_exec_count == 2


def test_an_error_is_added_to_the_stats(running: GraphExecution, received: Received) -> None:
    report_execution(running, status="RUNNING", stats={"cost": 2})
    finish_execution(running, status="FAILED", error="The block raised.")
    assert (received.events[-1].stats.cost, received.events[-1].stats.error) == (2, "The block raised.")


@pytest.mark.parametrize("status", ["RUNNING", "TERMINATED", "QUEUED"])
def test_finish_execution_takes_only_completed_and_failed(running: GraphExecution, status: str) -> None:
    with pytest.raises(ValueError, match=f"finishes as COMPLETED or FAILED, not as {status}"):
        finish_execution(running, status=status)


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (finish_execution, "COMPLETED"),
        (lambda execution: finish_execution(execution, status="FAILED"), "FAILED"),
        (terminate_execution, "TERMINATED"),
    ],
)
def test_the_end_of_an_execution_terminates_its_unfinished_nodes(
    running: GraphExecution, received: Received, end: Callable[[GraphExecution], GraphExecution], status: str
) -> None:
    for node_id, last in (("a", "QUEUED"), ("b", "RUNNING"), ("c", "REVIEW"), ("d", "INCOMPLETE"), ("e", "COMPLETED")):
        NodeExecution.objects.create(graph_execution=running, node_id=node_id, status=last)
    received.clear()
    end(running)
    assert statuses(running) == {**dict.fromkeys("abcd", "TERMINATED"), "e": "COMPLETED"}
    # The events of the nodes are in the order of the primary keys, before the event of the execution.
    assert received.names == ["node_execution_changed", "graph_execution_changed"]
    ids = [event.node_exec_id for event in received[0].events]
    assert ids == sorted(ids)
    assert len(ids) == 4
    assert received.events[-1].status == status


def test_any_number_of_unfinished_nodes_is_terminated(running: GraphExecution, settings: Any) -> None:
    settings.EXECUTIONS = {"MAX_BULK_EVENTS": 2}
    for number in range(5):
        report_node(running, node_id=str(number), status="RUNNING")
    terminate_execution(running)
    assert set(statuses(running).values()) == {"TERMINATED"}


def test_a_terminated_execution_stays_as_it_is(running: GraphExecution, received: Received) -> None:
    ended_at = terminate_execution(running).ended_at
    received.clear()
    assert terminate_execution(running).ended_at == ended_at
    assert received == []


def test_a_completed_execution_cannot_end_again(running: GraphExecution, received: Received) -> None:
    node = report_node(running, node_id="split", status="RUNNING")
    finish_execution(running)
    NodeExecution.objects.filter(pk=node.pk).update(status="RUNNING")
    received.clear()
    for call in (terminate_execution, requeue_execution, lambda each: finish_execution(each, status="FAILED")):
        with pytest.raises(IllegalTransition):
            call(running)
    assert statuses(running) == {"split": "RUNNING"}
    assert received == []


# requeue_execution


def test_a_requeued_terminated_run_starts_a_new_attempt(running: GraphExecution, received: Received) -> None:
    GraphExecution.objects.update(runner="engine-7")
    report_execution(running, status="RUNNING", outputs={"a": [1]}, stats={"cost": 3})
    done = report_node(running, node_id="split", status="RUNNING")
    report_node(running, node_id="split", status="COMPLETED")
    stopped = report_node(running, node_id="rank", status="RUNNING")
    terminate_execution(running)
    again = requeue_execution(running)
    assert (again.status, again.attempt, again.outputs, again.stats) == ("QUEUED", 2, {}, None)
    assert (again.started_at, again.ended_at, again.lease_expires_at) == (None, None, None)
    assert again.inputs == {"text": "One. Two."}
    assert again.runner == "engine-7"  # still of this engine
    assert received.events[-1] == GraphExecution.objects.get().to_event()
    # The nodes of the old attempt stay as they are. New reports are about new nodes.
    report_execution(again, status="RUNNING")
    new = report_node(again, node_id="split", status="RUNNING")
    assert new.pk not in (done.pk, stopped.pk)
    assert new.attempt == 2
    assert dict(again.node_executions.values_list("pk", "status")) == {
        done.pk: "COMPLETED",
        stopped.pk: "TERMINATED",
        new.pk: "RUNNING",
    }


def test_a_requeued_run_in_review_keeps_its_attempt_and_outputs(running: GraphExecution, received: Received) -> None:
    report_execution(running, status="REVIEW", outputs={"a": [1]})
    again = requeue_execution(running)
    assert (again.status, again.attempt, again.outputs) == ("QUEUED", 1, {"a": [1]})
    received.clear()
    assert requeue_execution(again).status == "QUEUED"
    assert received == []


# Notifications


def test_a_user_is_notified(user: User, received: Received) -> None:
    made = notify_user(user, type="info", event="Your run has finished", run="e1")
    assert received.event == made.to_event()
    assert received.event.payload.model_dump() == {"type": "info", "event": "Your run has finished", "run": "e1"}


def test_unread_notifications_are_marked_read_once(user: User, other_user: User, received: Received) -> None:
    first, second, third = (notify_user(user, type="info", event=str(number)) for number in range(3))
    foreign = notify_user(other_user, type="info", event="x")
    received.clear()
    assert mark_read(user, [first.pk, str(second.pk), foreign.pk, uuid4(), "no id"]) == 2
    assert mark_read(user, []) == 0
    assert mark_read(user) == 1
    assert mark_read(user) == 0
    assert {event.id for event in received.events} == {str(each.pk) for each in (first, second, third)}
    assert Notification.objects.get(read_at=None) == foreign


def test_any_number_of_notifications_can_be_marked_read(user: User, settings: Any) -> None:
    settings.EXECUTIONS = {"MAX_BULK_EVENTS": 2}
    for number in range(5):
        notify_user(user, type="info", event=str(number))
    assert mark_read(user) == 5


def test_a_returned_row_holds_its_status_as_an_enum(running: GraphExecution) -> None:
    assert isinstance(finish_execution(running).status, ExecutionStatus)
