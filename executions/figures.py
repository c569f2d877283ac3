"""Figures of all executions, for monitoring. Each is read by an index, and counts end at a limit."""

from django.db.models.functions import Now

from executions.models import GraphExecution
from executions.models.graph_execution import OF_ALL_BY_STATUS
from executions.statuses import ExecutionStatus


def count_by_status(limit: int) -> dict[str, int]:
    """How many executions have each status; a number that reaches `limit` says: so many or more."""
    of_all = GraphExecution.objects.filter(OF_ALL_BY_STATUS)
    return {status.value: of_all.filter(status=status).order_by()[:limit].count() for status in ExecutionStatus}


def oldest_queued_seconds() -> float:
    """For how long the oldest QUEUED execution exists, by the clock of the database; 0 if there is none."""
    queued = GraphExecution.objects.filter(OF_ALL_BY_STATUS, status=ExecutionStatus.QUEUED)
    oldest = queued.annotate(now=Now()).order_by("created_at").values_list("created_at", "now").first()
    return max((oldest[1] - oldest[0]).total_seconds(), 0.0) if oldest else 0.0


def count_overdue_leases(limit: int) -> int:
    """How many executions have an expired lease and are not ended yet; `limit` at most."""
    waiting = GraphExecution.objects.filter(status__in=(ExecutionStatus.QUEUED, ExecutionStatus.RUNNING))
    return waiting.filter(lease_expires_at__lt=Now()).order_by()[:limit].count()
