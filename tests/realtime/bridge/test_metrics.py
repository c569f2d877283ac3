"""What `/metrics` shows of executions."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from executions.leases import fail_expired
from executions.models import GraphExecution
from executions.services import QueueIsFull, report_execution, start_execution
from realtime.http import stored_gauges
from tests.realtime.conftest import Counted

pytestmark = pytest.mark.django_db(transaction=True)


def test_executions_are_shown_by_their_status(execution: GraphExecution) -> None:
    found = stored_gauges.read()
    assert isinstance(found["executions"], dict)
    assert {status: number for status, number in found["executions"].items() if number} == {"QUEUED": 1}
    report_execution(execution, status="RUNNING")
    found = stored_gauges.read()
    assert found["executions"]["RUNNING"] == 1  # type: ignore[index]
    assert found["executions_oldest_queued_seconds"] == 0


def test_expired_leases_are_overdue_and_then_counted(execution: GraphExecution, counted: Counted) -> None:
    report_execution(execution, status="RUNNING")
    past = timezone.now() - timedelta(seconds=5)
    GraphExecution.objects.filter(pk=execution.pk).update(runner="worker:press", lease_seconds=1, lease_expires_at=past)
    assert stored_gauges.read()["leases_overdue"] == 1
    fail_expired()
    assert stored_gauges.read()["leases_overdue"] == 0
    assert counted["leases_expired"] == 1


def test_a_refused_start_is_counted(execution: GraphExecution, counted: Counted, settings: Settings) -> None:
    settings.EXECUTIONS = {"MAX_QUEUED_OF_USER": 1}
    with pytest.raises(QueueIsFull):
        start_execution(execution.graph, user=execution.user)
    assert counted["refused_starts"] == 1
