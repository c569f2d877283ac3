"""Status changes follow the table, and times follow the status."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import serializers
from django.db import IntegrityError, transaction
from django.db.models import F, Value
from django.utils import timezone

from executions.models import Graph, GraphExecution, NodeExecution
from executions.statuses import ExecutionStatus, IllegalTransition
from tests.executions.conftest import InThread, Received, wait_for_blocked_transaction

pytestmark = pytest.mark.django_db


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def stored(execution: GraphExecution) -> GraphExecution:
    return GraphExecution.objects.get(pk=execution.pk)


@pytest.mark.parametrize("fields", [None, ["status"]])
def test_an_illegal_status_changes_nothing_and_sends_no_signal(
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


def test_after_an_illegal_status_the_surrounding_transaction_continues(
    execution: GraphExecution, received: Received
) -> None:
    with transaction.atomic():
        execution.status = "COMPLETED"
        with pytest.raises(IllegalTransition):
            execution.save()
        execution.status = "RUNNING"
        execution.save()
    assert stored(execution).status == "RUNNING"


def test_the_status_in_the_database_counts_and_not_the_loaded_one(
    execution: GraphExecution, received: Received
) -> None:
    stale = stored(execution)
    for status in ("RUNNING", "COMPLETED"):
        execution.status = status
        execution.save()
    received.clear()
    stale.status = "RUNNING"  # may follow QUEUED, which the instance was read with
    with pytest.raises(IllegalTransition, match="RUNNING may not follow COMPLETED"):
        stale.save()
    assert received == []


def test_a_status_may_be_kept_even_if_it_is_final(execution: GraphExecution, received: Received) -> None:
    execution.status = "FAILED"
    execution.save()
    execution.save()
    assert [event.status for event in received.events] == ["FAILED", "FAILED"]


def test_a_new_row_may_have_any_status(graph: Graph, user: User) -> None:
    for status in ExecutionStatus:
        assert GraphExecution.objects.create(graph=graph, user=user, status=status).status == status


@pytest.mark.parametrize("status", ["DONE", "", None, "running"])
def test_an_unknown_status_is_a_value_error(execution: GraphExecution, received: Received, status: Any) -> None:
    execution.status = status
    with pytest.raises(ValueError, match="not a valid ExecutionStatus"):
        execution.save()
    assert stored(execution).status == "QUEUED"
    assert received == []


@pytest.mark.parametrize("status", [F("runner"), Value("RUNNING")])
def test_an_expression_as_status_is_an_error(execution: GraphExecution, status: Any) -> None:
    execution.status = status
    with pytest.raises(ValueError, match="status can only be written as a constant"):
        execution.save()


def test_the_database_accepts_only_values_of_the_enum(execution: GraphExecution) -> None:
    execution.status = "DONE"
    with pytest.raises(IntegrityError), transaction.atomic():
        execution.save_base(raw=True)


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


def test_a_stale_instance_does_not_change_the_start_time(execution: GraphExecution) -> None:
    stale = stored(execution)
    GraphExecution.objects.filter(pk=execution.pk).update(status="RUNNING", started_at=LONG_AGO)
    stale.status = "RUNNING"
    stale.save(update_fields=["status"])
    assert stored(execution).started_at == stale.started_at == LONG_AGO


def test_given_times_are_kept(execution: GraphExecution) -> None:
    execution.status, execution.started_at = "RUNNING", LONG_AGO
    execution.save(update_fields=["status", "started_at"])
    execution.status, execution.ended_at = "COMPLETED", LONG_AGO + timedelta(hours=1)
    execution.save()
    assert stored(execution).started_at == LONG_AGO
    assert stored(execution).ended_at == LONG_AGO + timedelta(hours=1)


def test_a_fixture_is_not_checked_and_sends_no_signal(
    execution: GraphExecution, node: NodeExecution, received: Received
) -> None:
    execution.status, node.status = "COMPLETED", "COMPLETED"
    fixture = serializers.serialize("json", [execution, node])
    for each in serializers.deserialize("json", fixture):
        each.save()
    assert received == []
    assert stored(execution).status == "COMPLETED"
    assert stored(execution).ended_at is None


def test_an_instance_from_a_fixture_is_checked_when_it_is_saved_later(execution: GraphExecution) -> None:
    execution.save_base(raw=True)
    execution.status = "COMPLETED"
    with pytest.raises(IllegalTransition):
        execution.save()


@pytest.mark.django_db(transaction=True)
def test_the_second_of_two_concurrent_writers_sees_what_the_first_one_wrote(
    execution: GraphExecution, received: Received, in_thread: InThread
) -> None:
    """Both new statuses may follow the first one, but FAILED may not follow COMPLETED."""
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
