"""Who runs a job: a row for each, which one UPDATE claims. So one process runs it at a time, on any database.

A claim is a lease. The holder renews it while it works. If the holder dies, the lease expires and another process
claims the job. All times are of the database, so the clocks of the processes need not agree.
"""

import os
import socket
from collections.abc import Iterable
from datetime import timedelta
from secrets import token_hex
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Now
from django.utils import timezone

from realtime.conf import limits
from realtime.housekeeping.jobs import Counts, Job
from realtime.log.store import database
from realtime.models import HousekeepingJob

LATE = 3600.0  # seconds that a job may be due before it counts as late
_MAX_ERROR_LENGTH = 1_000


def find_due(names: Iterable[str]) -> list[str]:
    """Those of the jobs that are due and that nobody runs; who waits longest comes first. Creates missing rows."""
    names = set(names)
    _add_missing(names)
    due = _rows().filter(_IS_FREE, name__in=names, next_at__lte=Now())
    return list(due.order_by("next_at", "name").values_list("name", flat=True))


def claim(name: str, *, must_be_due: bool = True) -> str | None:
    """Claims the job for this process. Returns the holder of the claim, or None if somebody else runs the job, or if it
    is not due."""
    _add_missing({name})
    holder = f"{socket.gethostname()[:100]}:{os.getpid()}:{token_hex(4)}"
    is_due = Q(next_at__lte=Now()) if must_be_due else Q()
    claimed = _rows().filter(_IS_FREE, is_due, name=name)
    new = {"holder": holder, "lease_expires_at": _lease(), "started_at": Now(), "ended_at": None, "did": {}}
    return holder if claimed.update(**new) else None


def renew(name: str, holder: str, did: Counts) -> bool:
    """Renews the claim and shows what was done so far. Returns False if the claim is lost."""
    return bool(_rows().filter(name=name, holder=holder).update(lease_expires_at=_lease(), did=dict(did)))


def release(name: str, holder: str, *, did: Counts, seconds: float, error: str, next_in: float) -> None:
    """Ends the claim. Does nothing if it is lost."""
    _rows().filter(name=name, holder=holder).update(
        holder="",
        lease_expires_at=None,
        ended_at=Now(),
        seconds=round(seconds, 3),
        did=dict(did),
        total=F("total") + sum(did.values()),
        error=error[:_MAX_ERROR_LENGTH],
        next_at=Now() + timedelta(seconds=next_in) if next_in else Now(),
    )


def report(jobs: dict[str, Job]) -> list[dict[str, Any]]:
    """All jobs as the status page shows them. `late`: due for more than LATE, and nobody runs it."""
    rows = {row.name: row for row in _rows()}
    now = timezone.now()
    return [
        {
            "job": name,
            "last_run": row and row.started_at,
            "seconds": row and row.seconds,
            "did": row.did if row else {},
            "total": row.total if row else 0,
            "next": row and row.next_at,
            "holder": row.holder if row else "",
            "error": row.error if row else "",
            "late": limits.HOUSEKEEPING != "off" and (row is None or _is_late(row, now)),
        }
        for name in sorted(jobs)
        for row in [rows.get(name)]
    ]


def _is_late(row: HousekeepingJob, now: Any) -> bool:
    is_held = row.lease_expires_at is not None and row.lease_expires_at > now
    return not is_held and now - row.next_at > timedelta(seconds=LATE)


def _add_missing(names: set[str]) -> None:
    if missing := names - set(_rows().filter(name__in=names).values_list("name", flat=True)):
        _rows().bulk_create(
            [HousekeepingJob(name=name, next_at=Now()) for name in sorted(missing)], ignore_conflicts=True
        )


_IS_FREE = Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=Now())


def _rows() -> QuerySet[HousekeepingJob]:
    return HousekeepingJob.objects.using(database())


def _lease() -> Combinable:
    lease: Combinable = Now() + timedelta(seconds=limits.HOUSEKEEPING_LEASE)
    return lease
