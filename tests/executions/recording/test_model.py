"""Single writes: each is checked, is told once, inside its transaction, and as the row really is."""

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import serializers
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import F, Value
from django.db.models.signals import post_save
from django.utils import timezone
from pydantic import ValidationError as PydanticError

from executions.models import Graph, GraphExecution, NodeExecution
from executions.statuses import ExecutionStatus, IllegalTransition
from executions.storable import UnstorableValue
from tests.executions.conftest import InThread, Received, ReceiverError, Statements, wait_for_blocked_transaction

pytestmark = pytest.mark.django_db
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def stored(execution: GraphExecution) -> GraphExecution:
    return GraphExecution.objects.get(pk=execution.pk)


# Each way to write


def test_save_of_a_new_row_tells_what_it_is(graph: Graph, user: User, received: Received) -> None:
    execution = GraphExecution(graph=graph, user=user, inputs={"text": "x"})
    execution.save()
    assert received.names == ["graph_execution_changed"]
    assert received[0].sender is GraphExecution
    assert received.event == stored(execution).to_event()
    assert received.event.user_id == str(user.pk)
    assert received.event.graph_id == str(graph.pk)
    assert received.event.inputs == {"text": "x"}


def test_save_of_a_row_that_exists_tells_it_once(execution: GraphExecution, received: Received) -> None:
    execution.status = "RUNNING"
    execution.save()
    assert received.event == stored(execution).to_event()
    assert received.event.status == "RUNNING"


def test_create_is_told(graph: Graph, user: User, received: Received) -> None:
    execution = GraphExecution.objects.create(graph=graph, user=user)
    assert received.event == execution.to_event()


def test_get_or_create_is_told_if_it_creates(execution: GraphExecution, received: Received) -> None:
    for _ in range(2):
        NodeExecution.objects.get_or_create(graph_execution=execution, node_id="split")
    assert received.names == ["node_execution_changed"]


def test_update_or_create_is_told_both_times(execution: GraphExecution, received: Received) -> None:
    for status in ("QUEUED", "RUNNING"):
        NodeExecution.objects.update_or_create(graph_execution=execution, node_id="split", defaults={"status": status})
    assert [event.status for event in received.events] == ["QUEUED", "RUNNING"]


def test_a_related_manager_is_told(execution: GraphExecution, received: Received) -> None:
    node = execution.node_executions.create(node_id="split")
    assert received.event == node.to_event()
    other = GraphExecution.objects.create(graph=execution.graph, user=execution.user)
    received.clear()
    other.node_executions.add(node)
    assert received.event.graph_exec_id == str(other.pk)


@pytest.mark.django_db(transaction=True)
async def test_the_async_twins_are_told(execution: GraphExecution, received: Received) -> None:
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


def test_a_save_before_another_apps_post_save_is_told_before_it(execution: GraphExecution, received: Received) -> None:
    """So the last event is the last state, also where a receiver writes the row again."""

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


# What an event says


def test_a_partial_save_by_a_stale_instance_tells_the_row_and_not_the_instance(
    execution: GraphExecution, received: Received
) -> None:
    stale = stored(execution)
    execution.outputs = {"report": ["done"]}
    execution.save()
    stale.status = ExecutionStatus.RUNNING
    stale.save(update_fields=["status"])
    assert received.events[-1] == stored(execution).to_event()
    assert received.events[-1].outputs == {"report": ["done"]}


def test_a_deferred_instance_tells_the_whole_row(execution: GraphExecution, received: Received) -> None:
    part = GraphExecution.objects.only("status").get(pk=execution.pk)
    part.status = "RUNNING"
    part.save()
    assert received.event == stored(execution).to_event()
    assert received.event.inputs == {"text": "One. Two."}


def test_an_expression_is_told_as_its_value(execution: GraphExecution, received: Received) -> None:
    execution.graph_version = F("graph_version") + 4
    execution.save()
    assert received.event.graph_version == 5


def test_what_the_row_keeps_otherwise_than_it_was_written_is_told_as_it_is_kept(
    graph: Graph, user: User, received: Received
) -> None:
    """Ids as text, numbers as text, a time that is not quite a time: a read gives each in its own type."""
    execution = GraphExecution(
        graph_id=str(graph.pk),
        user_id=str(user.pk),
        graph_version="3",
        preset_id=7,
        started_at="2024-05-06T07:08:09+02:00",
        is_shared=1,
        inputs={"at": LONG_AGO, "price": Decimal("1.10"), "pair": (1, 2), 3: "three"},
    )
    execution.save()
    assert received.event == stored(execution).to_event()
    assert received.event.inputs == {"at": "2020-01-01T00:00:00Z", "price": "1.10", "pair": [1, 2], "3": "three"}
    assert execution.inputs == received.event.inputs
    assert (received.event.preset_id, received.event.graph_version) == ("7", 3)


def test_a_save_that_touches_no_field_of_the_event_is_not_told(execution: GraphExecution, received: Received) -> None:
    execution.runner, execution.lease_expires_at = "r1", timezone.now()
    execution.save(update_fields=["runner", "lease_expires_at"])
    assert received == []
    assert stored(execution).runner == "r1"


def test_a_save_of_no_field_is_nothing(execution: GraphExecution, received: Received) -> None:
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
    assert statements.verbs == ["UPDATE", "SELECT"]  # the event needs the execution, which this instance has not read
    node.graph_execution = execution
    with statements:
        node.save()
    assert statements.verbs == ["UPDATE"]


# Status


@pytest.mark.parametrize("fields", [None, ["status"]])
def test_an_illegal_status_changes_nothing_and_is_not_told(
    execution: GraphExecution, received: Received, fields: list[str] | None
) -> None:
    execution.status = ExecutionStatus.COMPLETED
    with pytest.raises(IllegalTransition) as caught:
        execution.save(update_fields=fields)
    assert (caught.value.old, caught.value.new) == ("QUEUED", "COMPLETED")
    assert stored(execution).status == "QUEUED"
    assert stored(execution).ended_at is None
    assert execution.ended_at is None
    assert received == []


def test_after_an_illegal_status_the_transaction_around_it_goes_on(
    execution: GraphExecution, received: Received
) -> None:
    with transaction.atomic():
        execution.status = "COMPLETED"
        with pytest.raises(IllegalTransition):
            execution.save()
        execution.status = "RUNNING"
        execution.save()
    assert stored(execution).status == "RUNNING"


def test_the_status_in_the_database_counts_and_not_the_one_that_was_loaded(
    execution: GraphExecution, received: Received
) -> None:
    stale = stored(execution)
    for status in ("RUNNING", "COMPLETED"):
        execution.status = status
        execution.save()
    received.clear()
    stale.status = "RUNNING"  # may follow QUEUED, which it was
    with pytest.raises(IllegalTransition, match="RUNNING may not follow COMPLETED"):
        stale.save()
    assert received == []


def test_keeping_a_status_is_legal_also_when_it_is_final(execution: GraphExecution, received: Received) -> None:
    execution.status = "FAILED"
    execution.save()
    execution.save()
    assert [event.status for event in received.events] == ["FAILED", "FAILED"]


def test_a_new_row_may_have_any_status(graph: Graph, user: User) -> None:
    for status in ExecutionStatus:
        assert GraphExecution.objects.create(graph=graph, user=user, status=status).status == status


@pytest.mark.parametrize("status", ["DONE", "", None, "running"])
def test_what_is_no_status_is_a_value_error(execution: GraphExecution, received: Received, status: Any) -> None:
    execution.status = status
    with pytest.raises(ValueError, match="not a valid ExecutionStatus"):
        execution.save()
    assert stored(execution).status == "QUEUED"
    assert received == []


@pytest.mark.parametrize("status", [F("runner"), Value("RUNNING")])
def test_a_status_is_a_constant(execution: GraphExecution, status: Any) -> None:
    execution.status = status
    with pytest.raises(ValueError, match="status can only be written as a constant"):
        execution.save()


def test_a_row_that_is_gone_is_inserted_again_as_django_does(execution: GraphExecution, received: Received) -> None:
    lost = stored(execution)
    execution.delete()
    received.clear()
    lost.status = "COMPLETED"
    lost.save()
    assert received.event.status == "COMPLETED"


def test_a_partial_save_of_a_row_that_is_gone_is_an_error(execution: GraphExecution, received: Received) -> None:
    lost = stored(execution)
    execution.delete()
    received.clear()
    with pytest.raises(DatabaseError, match="did not affect any rows"), transaction.atomic():
        lost.save(update_fields=["status"])
    assert received == []


def test_the_database_holds_the_enum_too(execution: GraphExecution) -> None:
    execution.status = "DONE"
    with pytest.raises(IntegrityError), transaction.atomic():
        execution.save_base(raw=True)


# Times


def test_times_follow_the_status_in_a_full_save(execution: GraphExecution) -> None:
    before = timezone.now()
    execution.status = "RUNNING"
    execution.save()
    started_at = stored(execution).started_at
    assert started_at
    assert before <= started_at <= timezone.now()
    execution.status = "TERMINATED"
    execution.save()
    execution.status = "RUNNING"
    ended = stored(execution)
    assert ended.started_at == started_at
    assert ended.ended_at
    assert ended.ended_at >= started_at
    execution.save()
    assert (stored(execution).started_at, stored(execution).ended_at) == (started_at, None)


def test_times_follow_the_status_in_a_partial_save_and_reach_the_instance(
    execution: GraphExecution, received: Received
) -> None:
    execution.status = "RUNNING"
    execution.save(update_fields=["status"])
    assert execution.started_at
    assert stored(execution).started_at == execution.started_at == received.event.started_at


def test_a_stale_instance_does_not_start_a_run_again(execution: GraphExecution) -> None:
    stale = stored(execution)
    GraphExecution.objects.filter(pk=execution.pk).update(status="RUNNING", started_at=LONG_AGO)
    stale.status = "RUNNING"
    stale.save(update_fields=["status"])
    assert stored(execution).started_at == stale.started_at == LONG_AGO


def test_times_that_are_given_are_kept(execution: GraphExecution) -> None:
    execution.status, execution.started_at = "RUNNING", LONG_AGO
    execution.save(update_fields=["status", "started_at"])
    execution.status, execution.ended_at = "COMPLETED", LONG_AGO + timedelta(hours=1)
    execution.save()
    assert stored(execution).started_at == LONG_AGO
    assert stored(execution).ended_at == LONG_AGO + timedelta(hours=1)


# RefusedBeforeWrite, failed, rolled back


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


@pytest.mark.django_db(transaction=True)
def test_a_signal_says_that_the_commit_comes_next_only_where_it_does(
    execution: GraphExecution, received: Received
) -> None:
    execution.save()
    NodeExecution.objects.create(graph_execution=execution, node_id="split")
    assert [sent.is_last_before_commit for sent in received] == [True, True]
    received.clear()
    with transaction.atomic():
        execution.save()
        NodeExecution.objects.create(graph_execution=execution, node_id="split")
    GraphExecution.objects.filter(pk=execution.pk).update(runner="r1", outputs={"a": [1]})
    assert [sent.is_last_before_commit for sent in received] == [False, False, False]


@pytest.mark.django_db(transaction=True)
def test_the_commit_does_not_come_next_where_another_app_hears_of_the_save(
    execution: GraphExecution, received: Received
) -> None:
    def hear(**kwargs: Any) -> None:
        pass

    post_save.connect(hear, sender=GraphExecution)
    try:
        execution.save()
        NodeExecution.objects.create(graph_execution=execution, node_id="split")
    finally:
        post_save.disconnect(hear, sender=GraphExecution)
    execution.save()
    assert [sent.is_last_before_commit for sent in received] == [False, True, True]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("outputs", {"result": [1, float("nan")]}, "outputs.result[1] holds NaN"),
        ("inputs", {"a": "\x00"}, "inputs.a holds the character U+0000"),
        ("definition", {"a": "\ud800"}, "definition.a holds a lone surrogate"),
        ("preset_id", "a\x00b", "preset_id holds the character U+0000"),
        ("runner", "x" * 256, "runner holds 256 characters; 255 are the most"),
    ],
)
def test_what_cannot_be_kept_is_refused_before_the_database_is_asked(
    execution: GraphExecution, received: Received, statements: Statements, field: str, value: Any, message: str
) -> None:
    setattr(execution, field, value)
    with statements, pytest.raises(UnstorableValue) as caught, transaction.atomic():
        execution.save()
    assert str(caught.value).startswith(message)
    assert statements.verbs == []
    assert received == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("outputs", {"report": "no list"}), ("inputs", ["no", "names"]), ("stats", {"cost": "much"})],
)
def test_what_an_event_could_not_say_is_not_saved_and_is_an_error_of_forms(
    execution: GraphExecution, received: Received, field: str, value: Any
) -> None:
    setattr(execution, field, value)
    with pytest.raises(PydanticError, match=field), transaction.atomic():
        execution.save()
    assert getattr(stored(execution), field) != value
    with pytest.raises(ValidationError, match=field):
        execution.full_clean()
    assert received == []


def test_a_form_refuses_what_cannot_be_kept(execution: GraphExecution) -> None:
    execution.outputs = {"report": [float("inf")]}
    with pytest.raises(ValidationError, match=r"outputs.report\[0\] holds Infinity"):
        execution.full_clean()


def test_a_fixture_is_neither_checked_nor_told(
    execution: GraphExecution, node: NodeExecution, received: Received
) -> None:
    execution.status, node.status = "COMPLETED", "COMPLETED"
    fixture = serializers.serialize("json", [execution, node])
    for each in serializers.deserialize("json", fixture):
        each.save()
    assert received == []
    assert stored(execution).status == "COMPLETED"
    assert stored(execution).ended_at is None


def test_an_instance_that_was_loaded_as_a_fixture_is_checked_when_it_is_saved_later(execution: GraphExecution) -> None:
    execution.save_base(raw=True)
    execution.status = "COMPLETED"
    with pytest.raises(IllegalTransition):
        execution.save()


# At once


@pytest.mark.django_db(transaction=True)
def test_of_two_writers_at_once_the_second_sees_what_the_first_wrote(
    execution: GraphExecution, received: Received, in_thread: InThread
) -> None:
    """Both may follow what was there when they began; only one may follow the other."""
    execution.status = "RUNNING"
    execution.save()
    first, second = stored(execution), stored(execution)
    is_written, may_commit = threading.Event(), threading.Event()

    def complete() -> None:
        with transaction.atomic():
            first.status = "COMPLETED"
            first.save()
            is_written.set()
            may_commit.wait(30)

    def fail() -> None:
        second.status = "FAILED"
        second.save()

    completing = in_thread(complete)
    assert is_written.wait(30)
    failing = in_thread(fail)
    wait_for_blocked_transaction()
    may_commit.set()
    completing.result(30)
    with pytest.raises(IllegalTransition, match="FAILED may not follow COMPLETED"):
        failing.result(30)
    assert stored(execution).status == "COMPLETED"
    assert [event.status for event in received.events] == ["RUNNING", "COMPLETED"]
