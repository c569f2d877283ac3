"""The figures of all executions."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from executions.figures import count_by_status, count_overdue_leases, oldest_queued_seconds
from executions.models import Graph, GraphExecution
from executions.services import report_execution, start_execution
from executions.statuses import ExecutionStatus

pytestmark = pytest.mark.django_db


def test_executions_are_counted_by_status_up_to_a_limit(graph: Graph, user: User) -> None:
    for _ in range(3):
        start_execution(graph, user=user)
    report_execution(start_execution(graph, user=user), status="RUNNING")
    counts = count_by_status(limit=2)
    assert set(counts) == set(ExecutionStatus)
    assert (counts["QUEUED"], counts["RUNNING"], counts["FAILED"]) == (2, 1, 0)


def test_the_oldest_queued_execution_gives_the_age(graph: Graph, user: User) -> None:
    assert oldest_queued_seconds() == 0
    execution = start_execution(graph, user=user)
    start_execution(graph, user=user)
    GraphExecution.objects.filter(pk=execution.pk).update(created_at=timezone.now() - timedelta(minutes=10))
    assert oldest_queued_seconds() == pytest.approx(600, abs=30)


def test_expired_leases_are_counted(graph: Graph, user: User) -> None:
    for age in (-60, 60):
        execution = start_execution(graph, user=user)
        expires_at = timezone.now() + timedelta(seconds=age)
        GraphExecution.objects.filter(pk=execution.pk).update(lease_expires_at=expires_at)
    assert count_overdue_leases(limit=10) == 1
