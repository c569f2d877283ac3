"""The jobs that keep the tables of executions from growing. They work in short transactions, and yield after each what
it did: a word for it → how many. The caller may stop after any, and decides when they run. With `is_dry_run` they
change nothing."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from executions import leases
from executions.conf import limits
from executions.models import GraphExecution, IdempotentAnswer, Notification
from executions.models.graph_execution import OF_ALL_BY_STATUS
from executions.statuses import ENDED

_PAGE = 1_000  # rows that one statement reads
_BATCH = 100  # rows that one transaction deletes; each deletion of a notification is an event

Done = Iterator[dict[str, int]]


def fail_expired_leases(is_dry_run: bool) -> Done:
    """Ends the runs whose worker, or embedded runner, let its lease expire as FAILED."""
    yield {"runs": leases.expired().count() if is_dry_run else leases.fail_expired()}


def remove_idempotent_answers(is_dry_run: bool) -> Done:
    """Removes the answers whose keys have expired."""
    expired = IdempotentAnswer.objects.filter(created_at__lt=_ago(limits.IDEMPOTENCY_LIFETIME))
    if is_dry_run:
        yield {"answers": expired.count()}
        return
    while ids := list(expired.order_by("created_at").values_list("pk", flat=True)[:_PAGE]):
        expired.filter(pk__in=ids).delete()  # with the age again: a row may have been reused since
        yield {"answers": len(ids)}


def remove_read_notifications(is_dry_run: bool) -> Done:
    """Removes notifications that were read long ago, each with its event."""
    if limits.READ_NOTIFICATION_LIFETIME is None:
        return
    before, last = _ago(limits.READ_NOTIFICATION_LIFETIME), UUID(int=0)
    while page := list(Notification.objects.filter(pk__gt=last).order_by("pk").values_list("pk", "read_at")[:_PAGE]):
        last = page[-1][0]
        ids = [pk for pk, read_at in page if read_at is not None and read_at < before]
        for start in range(0, len(ids), _BATCH):
            old = Notification.objects.filter(pk__in=ids[start : start + _BATCH], read_at__lt=before)
            yield {"notifications": old.count() if is_dry_run else _delete_notifications(list(old))}
        yield {}


def remove_ended_executions(is_dry_run: bool) -> Done:
    """Removes executions that ended long ago, with their nodes and streams. Does nothing unless EXECUTION_LIFETIME is
    set."""
    if limits.EXECUTION_LIFETIME is None:
        return
    before = _ago(limits.EXECUTION_LIFETIME)
    old = GraphExecution.objects.filter(OF_ALL_BY_STATUS, status__in=ENDED, created_at__lt=before, ended_at__lt=before)
    if is_dry_run:
        yield {"executions": old.count()}
        return
    after = datetime.min.replace(tzinfo=before.tzinfo)
    while page := list(
        old.filter(created_at__gt=after).order_by("created_at").values_list("pk", "created_at")[:_BATCH]
    ):
        after = page[-1][1]  # others of this very time are left to the next run
        for pk, _ in page:
            with transaction.atomic():
                execution = old.filter(pk=pk).select_for_update().first()  # it may have been queued again
                if execution is not None:
                    execution.delete()
            yield {"executions": int(execution is not None)}


def _delete_notifications(rows: list[Notification]) -> int:
    ids = [row.pk for row in rows]
    with transaction.atomic():
        # One that was marked as unread meanwhile stays; the lock keeps the others as they are.
        still = Notification.objects.filter(pk__in=ids, read_at__isnull=False).select_for_update()
        read = Notification.objects.filter(pk__in=[row.pk for row in still])
        return read.delete()[1].get(Notification._meta.label, 0)


def _ago(seconds: float) -> datetime:
    return timezone.now() - timedelta(seconds=seconds)
