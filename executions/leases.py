"""Claims and leases: which process runs an execution, and until when it must show that it is alive.

The embedded runner claims executions in the database, so exactly one of any number of processes runs each of them. A
worker that reports over HTTP may promise to report at least every `lease_seconds`.

    runner     "embedded"             queued for the embedded runner of any process
               "embedded:<uuid>"      claimed; each claim has its own UUID
               "worker:<name>"        of a worker that reports over HTTP
               anything else, or ""   of another engine; this module never changes it
    lease_expires_at                  the owner renews it; after this time the owner counts as gone
    lease_seconds                     each report of a worker extends its lease by this

All times come from the database, so the clocks of the processes need not agree.
"""

import logging
from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.db.models import Min, Q, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Now
from django.dispatch import Signal

from executions.conf import limits
from executions.models import GraphExecution
from executions.models.worker_token import WORKER
from executions.services import finish_execution, report_execution, requeue_execution, terminate_execution
from executions.statuses import ExecutionStatus

logger = logging.getLogger(__name__)

lease_expired = Signal()
"""An execution was ended because its owner let the lease expire. Sent with GraphExecution as the sender, inside the
transaction of the change, which `graph_execution_changed` tells."""

EMBEDDED = "embedded"
"""The `runner` of an execution that waits for the embedded runner."""

OWNER_IS_GONE = "The process that ran this execution went away without a word, so it did not come to its end."

_CANDIDATES = 100  # the oldest queued executions: one call of claim_next() tries no more

_FOR_EMBEDDED = Q(runner=EMBEDDED) | Q(runner__startswith=f"{EMBEDDED}:")


def waiting_users() -> list[Any]:
    """The ids of the users whose executions wait for the embedded runner; who waits longest comes first."""
    users = _waiting().values("user_id").annotate(since=Min("created_at")).order_by("since", "user_id")
    return list(users.values_list("user_id", flat=True))


def claim_next(user_id: Any = None) -> GraphExecution | None:
    """Claims the oldest queued execution of the embedded runner: of this user, or of all. Returns it, RUNNING, or None
    if there is none.

    Only one of two concurrent callers gets an execution. If the start of an execution cannot be recorded, it stays
    queued, and the next one is claimed."""
    waiting = _waiting() if user_id is None else _waiting().filter(user_id=user_id)
    for pk in waiting.order_by("created_at").values_list("pk", flat=True)[:_CANDIDATES]:
        try:
            with transaction.atomic():
                if waiting.filter(pk=pk).update(runner=f"{EMBEDDED}:{uuid4()}", lease_expires_at=_lease()):
                    return report_execution(GraphExecution(pk=pk), status=ExecutionStatus.RUNNING)
        except ValueError:
            logger.exception("Execution %s cannot be started.", pk)
    return None


def renew_claims(owners: Collection[str]) -> None:
    """Renews the leases of the runs with these claims (values of `runner`)."""
    if owners:
        _running().filter(runner__in=owners).update(lease_expires_at=_lease())


def renew_worker_leases(executions: Collection[GraphExecution]) -> None:
    """Renews the leases of executions whose worker has just reported. An execution without `lease_seconds` has none."""
    for seconds in {execution.lease_seconds for execution in executions if execution.lease_seconds}:
        pks = [execution.pk for execution in executions if execution.lease_seconds == seconds]
        GraphExecution.objects.filter(pk__in=pks).update(lease_expires_at=Now() + timedelta(seconds=seconds))


def expired() -> QuerySet[GraphExecution]:
    """The executions whose owner let its lease expire: runs of embedded runners, and what workers run or queued."""
    status = ExecutionStatus
    return GraphExecution.objects.filter(
        Q(runner__startswith=f"{EMBEDDED}:", status=status.RUNNING) | Q(runner__startswith=WORKER),
        status__in=(status.QUEUED, status.RUNNING),
        lease_expires_at__lt=Now(),
    )


def fail_expired() -> int:
    """Ends the executions whose lease has expired as FAILED. Returns how many."""
    count = 0
    for pk in list(expired().values_list("pk", flat=True)):
        try:
            with transaction.atomic():
                execution = expired().filter(pk=pk).select_for_update(no_key=True).first()
                if execution is not None:
                    finish_execution(execution, status=ExecutionStatus.FAILED, error=_reason(execution))
                    lease_expired.send(GraphExecution)
                    count += 1
        except ValueError:
            logger.exception("Execution %s, whose owner is gone, cannot be ended.", pk)
    return count


def _reason(execution: GraphExecution) -> str:
    if execution.runner.startswith(WORKER):
        name, seconds = execution.runner.removeprefix(WORKER), execution.lease_seconds
        return f"The worker “{name}” did not report for {seconds} seconds, as it had promised, and was given up."
    return OWNER_IS_GONE


def is_claimed_by(execution: GraphExecution, owner: str) -> bool:
    """Whether the execution runs under this claim at this moment."""
    return _running().filter(pk=execution.pk, runner=owner).exists()


def lock_claim(execution: GraphExecution, owner: str) -> bool:
    """Locks the execution if it runs under this claim. Returns whether it does, until the transaction ends."""
    claimed = _running().filter(pk=execution.pk, runner=owner).select_for_update(no_key=True)
    return claimed.values_list("pk").first() is not None


def release_claim(execution: GraphExecution) -> None:
    """Queues a run again that its owner cannot finish. The run starts from the beginning."""
    with transaction.atomic():
        terminate_execution(execution)
        requeue_execution(execution, keeps_its_place=True)
        GraphExecution.objects.filter(pk=execution.pk).update(runner=EMBEDDED)


def _waiting() -> QuerySet[GraphExecution]:
    return GraphExecution.objects.filter(_FOR_EMBEDDED, status=ExecutionStatus.QUEUED)


def _running() -> QuerySet[GraphExecution]:
    return GraphExecution.objects.filter(status=ExecutionStatus.RUNNING)


def _lease() -> Combinable:
    lease: Combinable = Now() + timedelta(seconds=limits.LEASE)
    return lease
