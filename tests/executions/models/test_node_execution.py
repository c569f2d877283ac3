"""Node executions: their events, which name the user and the graph of the execution."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction

from executions.events import NodeExecutionDeleted, NodeExecutionEvent
from executions.models import GraphExecution, NodeExecution
from tests.executions.conftest import Received

pytestmark = pytest.mark.django_db
MOMENT = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


def test_an_event_holds_every_field(execution: GraphExecution) -> None:
    node = NodeExecution.objects.create(
        graph_execution=execution,
        node_id="split",
        block_id="text.sentences",
        status="COMPLETED",
        input_data={"text": "One. Two."},
        output_data={"sentences": [["One.", "Two."]]},
        add_time=MOMENT,
        queue_time=MOMENT,
        start_time=MOMENT,
        end_time=MOMENT,
    )
    assert node.to_event() == NodeExecutionEvent(
        user_id=str(execution.user_id),
        graph_id=str(execution.graph_id),
        graph_version=1,
        graph_exec_id=str(execution.pk),
        node_exec_id=str(node.pk),
        node_id="split",
        block_id="text.sentences",
        status="COMPLETED",
        input_data={"text": "One. Two."},
        output_data={"sentences": [["One.", "Two."]]},
        add_time=MOMENT,
        queue_time=MOMENT,
        start_time=MOMENT,
        end_time=MOMENT,
    )
    assert node.deleted_event() == NodeExecutionDeleted(
        node_exec_id=str(node.pk), graph_exec_id=str(execution.pk), user_id=str(execution.user_id)
    )


def test_a_new_row_has_the_times_of_its_status(execution: GraphExecution, received: Received) -> None:
    queued = NodeExecution.objects.create(graph_execution=execution, node_id="split")
    running = NodeExecution.objects.create(graph_execution=execution, node_id="split", status="RUNNING")
    assert queued.add_time
    assert queued.queue_time
    assert (queued.start_time, running.queue_time, running.end_time) == (None, None, None)
    assert running.start_time
    assert received.events == [queued.to_event(), running.to_event()]


def test_rows_for_events_need_no_further_query(
    node: NodeExecution, django_assert_num_queries: pytest.FixtureRequest
) -> None:
    NodeExecution.objects.create(graph_execution=node.graph_execution, node_id="rank")
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert len([row.to_event() for row in NodeExecution.rows_with_events("default")]) == 2


def test_a_node_may_be_executed_more_than_once(node: NodeExecution) -> None:
    again = NodeExecution.objects.create(graph_execution=node.graph_execution, node_id=node.node_id)
    assert again.pk != node.pk


def test_attempts_start_at_1(node: NodeExecution) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        NodeExecution.objects.update(attempt=0)


def test_the_name_of_a_node_execution_is_its_node_and_id(node: NodeExecution) -> None:
    assert str(node) == f"split ({node.pk})"
