"""Each single write sends one signal, inside its transaction, with the state of the row."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import F
from django.db.models.signals import post_save
from django.utils import timezone
from pydantic import ValidationError as PydanticError

from executions.models import Graph, GraphExecution, NodeExecution
from executions.statuses import ExecutionStatus
from tests.executions.conftest import Received, ReceiverError, Statements

pytestmark = pytest.mark.django_db


def stored(execution: GraphExecution) -> GraphExecution:
    return GraphExecution.objects.get(pk=execution.pk)


def test_the_save_of_a_new_row_sends_its_state(graph: Graph, user: User, received: Received) -> None:
    execution = GraphExecution(graph=graph, user=user, inputs={"text": "x"})
    execution.save()
    assert received.names == ["graph_execution_changed"]
    assert received[0].sender is GraphExecution
    assert received.event == stored(execution).to_event()
    assert received.event.user_id == str(user.pk)
    assert received.event.graph_id == str(graph.pk)
    assert received.event.inputs == {"text": "x"}


def test_the_save_of_an_existing_row_sends_one_event(execution: GraphExecution, received: Received) -> None:
    execution.status = "RUNNING"
    execution.save()
    assert received.event == stored(execution).to_event()
    assert received.event.status == "RUNNING"


def test_create_sends_a_signal(graph: Graph, user: User, received: Received) -> None:
    execution = GraphExecution.objects.create(graph=graph, user=user)
    assert received.event == execution.to_event()


def test_get_or_create_sends_a_signal_if_it_creates(execution: GraphExecution, received: Received) -> None:
    for _ in range(2):
        NodeExecution.objects.get_or_create(graph_execution=execution, node_id="split")
    assert received.names == ["node_execution_changed"]


def test_update_or_create_sends_a_signal_for_each_write(execution: GraphExecution, received: Received) -> None:
    for status in ("QUEUED", "RUNNING"):
        NodeExecution.objects.update_or_create(graph_execution=execution, node_id="split", defaults={"status": status})
    assert [event.status for event in received.events] == ["QUEUED", "RUNNING"]


def test_a_write_by_a_related_manager_sends_a_signal(execution: GraphExecution, received: Received) -> None:
    node = execution.node_executions.create(node_id="split")
    assert received.event == node.to_event()


@pytest.mark.django_db(transaction=True)
async def test_async_writes_send_the_same_signals(execution: GraphExecution, received: Received) -> None:
    node = await NodeExecution.objects.acreate(graph_execution=execution, node_id="split")
    node.status = "RUNNING"
    await node.asave()
    await NodeExecution.objects.aget_or_create(graph_execution=execution, node_id="rank")
    await NodeExecution.objects.aupdate_or_create(
        graph_execution=execution, node_id="rank", defaults={"status": "FAILED"}
    )
    assert [(event.node_id, event.status) for event in received.events] == [
        ("split", "QUEUED"),
        ("split", "RUNNING"),
        ("rank", "QUEUED"),
        ("rank", "FAILED"),
    ]
    await node.adelete()
    assert received.names[-1] == "node_execution_deleted"


def test_the_signal_of_a_save_comes_before_the_post_save_of_other_apps(
    execution: GraphExecution, received: Received
) -> None:
    """So the last event is the last state, even if a receiver of `post_save` writes the row again."""

    def write_again(instance: GraphExecution, **kwargs: Any) -> None:
        if instance.status == "RUNNING":
            GraphExecution.objects.filter(pk=instance.pk).update(runner="r1", outputs={"a": [1]})

    post_save.connect(write_again, sender=GraphExecution)
    try:
        execution.status = "RUNNING"
        execution.save()
    finally:
        post_save.disconnect(write_again, sender=GraphExecution)
    assert [event.outputs for event in received.events] == [{}, {"a": [1]}]


def test_the_event_of_a_partial_save_holds_the_row_and_not_the_stale_instance(
    execution: GraphExecution, received: Received
) -> None:
    stale = stored(execution)
    execution.outputs = {"report": ["done"]}
    execution.save()
    stale.status = ExecutionStatus.RUNNING
    stale.save(update_fields=["status"])
    assert received.events[-1] == stored(execution).to_event()
    assert received.events[-1].outputs == {"report": ["done"]}


def test_the_event_of_a_deferred_instance_holds_the_whole_row(execution: GraphExecution, received: Received) -> None:
    part = GraphExecution.objects.only("status").get(pk=execution.pk)
    part.status = "RUNNING"
    part.save()
    assert received.event == stored(execution).to_event()
    assert received.event.inputs == {"text": "One. Two."}


def test_the_event_of_an_expression_holds_its_value(execution: GraphExecution, received: Received) -> None:
    execution.graph_version = F("graph_version") + 4
    execution.save()
    assert received.event.graph_version == 5


def test_a_save_of_other_fields_sends_no_signal(execution: GraphExecution, received: Received) -> None:
    execution.runner, execution.lease_expires_at = "r1", timezone.now()
    execution.save(update_fields=["runner", "lease_expires_at"])
    assert received == []
    assert stored(execution).runner == "r1"


def test_a_save_of_no_field_sends_no_signal(execution: GraphExecution, received: Received) -> None:
    execution.status = "COMPLETED"
    execution.save(update_fields=[])
    assert received == []


def test_a_full_save_costs_one_statement_and_a_partial_one_two(
    execution: GraphExecution, node: NodeExecution, statements: Statements
) -> None:
    execution.status = "RUNNING"
    with statements:
        execution.save()
    assert statements.verbs == ["UPDATE"]
    with statements:
        execution.save(update_fields=["outputs"])
    assert statements.verbs == ["UPDATE", "SELECT"]
    node = NodeExecution.objects.get(pk=node.pk)
    with statements:
        node.save()
    assert statements.verbs == ["UPDATE", "SELECT"]  # the event needs the execution, which was not read yet
    node.graph_execution = execution
    with statements:
        node.save()
    assert statements.verbs == ["UPDATE"]


def test_a_receiver_that_raises_makes_the_change_fail(execution: GraphExecution, failing_receivers: None) -> None:
    started_at = execution.started_at
    execution.status = "RUNNING"
    with pytest.raises(ReceiverError), transaction.atomic():
        execution.save()
    assert stored(execution).status == "QUEUED"
    assert execution.started_at == started_at


def test_a_receiver_that_raises_makes_the_transaction_around_it_fail(
    execution: GraphExecution, failing_receivers: None
) -> None:
    with transaction.atomic():
        with pytest.raises(ReceiverError):
            execution.save()
        with pytest.raises(transaction.TransactionManagementError):
            stored(execution)


@pytest.mark.django_db(transaction=True)
def test_the_signal_is_sent_inside_the_transaction_of_the_write(execution: GraphExecution, received: Received) -> None:
    assert not connection.in_atomic_block
    execution.save()
    execution.save(update_fields=["status"])
    NodeExecution.objects.create(graph_execution=execution, node_id="split")
    assert [sent.is_inside_transaction for sent in received] == [True, True, True]
    assert not connection.in_atomic_block


@pytest.mark.parametrize(
    ("field", "value"),
    [("outputs", {"report": "no list"}), ("inputs", ["no", "names"]), ("stats", {"cost": "much"})],
)
def test_a_value_that_an_event_cannot_hold_is_not_saved_and_is_an_error_of_forms(
    execution: GraphExecution, received: Received, field: str, value: Any
) -> None:
    setattr(execution, field, value)
    with pytest.raises(PydanticError, match=field), transaction.atomic():
        execution.save()
    assert getattr(stored(execution), field) != value
    with pytest.raises(ValidationError, match=field):
        execution.full_clean()
    assert received == []
