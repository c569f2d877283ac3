"""Who runs what: the embedded runner's claims on executions, held in the database, so that of any number of processes
one runs each; and how long a worker may be silent.

    runner     "embedded"             for the embedded runner of whichever process comes first
               "embedded:<uuid>"      claimed; every claim has an id of its own
               "worker:<name>"        a worker's that reports over HTTP
               anything else, or ""   another engine's, never touched
    lease_expires_at                  renewed by the owner; once it is past, the owner is gone
    lease_seconds                     what a worker has promised: each report renews its lease by so much

Times are the database's, so that the clocks of the processes need not agree.
"""

import logging
from collections.abc import Collection
from datetime import timedelta
from uuid import uuid4

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from executions.conf import limits
from executions.models import GraphExecution
from executions.models.worker_token import WORKER
from executions.services import finish_execution, report_execution, requeue_execution, terminate_execution
from executions.statuses import ExecutionStatus

logger = logging.getLogger(__name__)

EMBEDDED = "embedded"
"""The `runner` of an execution that is meant for the embedded runner."""

OWNER_IS_GONE = "The process that ran this execution went away without a word, so it did not come to its end."

_FOR_US = Q(runner=EMBEDDED) | Q(runner__startswith=f"{EMBEDDED}:")


def claim_next() -> GraphExecution | None:
    """The oldest queued execution that is for the embedded runner, now RUNNING and the caller's; None if there is
    none. Of two who claim the same at once, one gets it. One whose start cannot be recorded is left where it is, and
    does not hold up the others."""
    waiting = GraphExecution.objects.filter(_FOR_US, status=ExecutionStatus.QUEUED).order_by("created_at")
    for pk in waiting.values_list("pk", flat=True)[:100]:
        try:
            with transaction.atomic():
                if waiting.filter(pk=pk).order_by().update(runner=f"{EMBEDDED}:{uuid4()}", lease_expires_at=_lease()):
                    return report_execution(GraphExecution(pk=pk), status=ExecutionStatus.RUNNING)
        except ValueError:
            logger.exception("Execution %s cannot be started.", pk)
    return None


def renew(owners: Collection[str]) -> None:
    """The runs of these claims go on."""
    if owners:
        _running().filter(runner__in=owners).update(lease_expires_at=_lease())


def hold(executions: Collection[GraphExecution]) -> None:
    """Their worker has just been heard of: those that have a lease get it anew."""
    for seconds in {execution.lease_seconds for execution in executions if execution.lease_seconds}:
        pks = [execution.pk for execution in executions if execution.lease_seconds == seconds]
        GraphExecution.objects.filter(pk__in=pks).update(lease_expires_at=Now() + timedelta(seconds=seconds))


def fail_expired() -> int:
    """Ends the runs whose owner is gone, as FAILED. How many there were."""
    return _fail(_running().filter(runner__startswith=f"{EMBEDDED}:", lease_expires_at__lt=Now())) + fail_silent()


def fail_silent() -> int:
    """Ends the executions whose worker let its lease pass, as FAILED. How many there were."""
    waiting = GraphExecution.objects.filter(status__in=(ExecutionStatus.QUEUED, ExecutionStatus.RUNNING))
    return _fail(waiting.filter(runner__startswith=WORKER, lease_expires_at__lt=Now()))


def _fail(expired: QuerySet[GraphExecution]) -> int:
    count = 0
    for pk in list(expired.values_list("pk", flat=True)):
        try:
            with transaction.atomic():
                execution = expired.filter(pk=pk).select_for_update(no_key=True).first()
                if execution is not None:
                    finish_execution(execution, status=ExecutionStatus.FAILED, error=_reason(execution))
                    count += 1
        except ValueError:
            logger.exception("Execution %s, whose owner is gone, cannot be ended.", pk)
    return count


def _reason(execution: GraphExecution) -> str:
    if execution.runner.startswith(WORKER):
        name, seconds = execution.runner.removeprefix(WORKER), execution.lease_seconds
        return f"The worker “{name}” did not report for {seconds} seconds, as it had promised, and was given up."
    return OWNER_IS_GONE


def is_own(execution: GraphExecution, owner: str) -> bool:
    """Whether the execution still runs by this claim, at this moment."""
    return _running().filter(pk=execution.pk, runner=owner).exists()


def lock_own(execution: GraphExecution, owner: str) -> bool:
    """The same; if so, it stays so until the transaction ends."""
    own = _running().filter(pk=execution.pk, runner=owner).select_for_update(no_key=True)
    return own.values_list("pk").first() is not None


def give_back(execution: GraphExecution) -> None:
    """Queues a run again that its owner cannot bring to an end; it begins anew."""
    with transaction.atomic():
        terminate_execution(execution)
        requeue_execution(execution)
        GraphExecution.objects.filter(pk=execution.pk).update(runner=EMBEDDED)


def _running() -> QuerySet[GraphExecution]:
    return GraphExecution.objects.filter(status=ExecutionStatus.RUNNING)


def _lease() -> Combinable:
    lease: Combinable = Now() + timedelta(seconds=limits.LEASE)
    return lease
