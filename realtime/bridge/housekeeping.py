"""What the housekeeping does for executions: their jobs, and which streams stay whole."""

from uuid import UUID

from executions import housekeeping
from executions.conf import limits as limits_of_executions
from executions.models import GraphExecution
from executions.statuses import ENDED
from realtime.conf import limits
from realtime.housekeeping.jobs import Job, register
from realtime.housekeeping.retention import keep_whole


def connect() -> None:
    """Registers the jobs of executions."""
    for name, run in (
        ("idempotent_answers", housekeeping.remove_idempotent_answers),
        ("read_notifications", housekeeping.remove_read_notifications),
        ("ended_executions", housekeeping.remove_ended_executions),
    ):
        register(Job(name, lambda: limits.HOUSEKEEPING_INTERVAL, run))
    register(Job("expired_leases", lambda: limits_of_executions.LEASE_SWEEP_INTERVAL, housekeeping.fail_expired_leases))
    keep_whole("graph_exec", is_running)


def is_running(execution_id: str) -> bool:
    """Whether the execution exists and has not ended. One that waits for a review or in the queue has not."""
    try:
        pk = UUID(execution_id)
    except ValueError:
        return False
    return GraphExecution.objects.filter(pk=pk).exclude(status__in=ENDED).exists()
