"""Idempotency keys: the first request with a key does the work, and repeats get its answer.

A short answer is stored as it is. An answer of more than MAX_KEPT_ANSWER characters is not stored, because it may have
a megabyte: it shows a row, and the repeat shows the row again, as it is now.

The answer is inserted in the transaction of the work. A second request with the same key waits at the unique index
until the first transaction ends. After a commit it finds the answer; after a rollback it does the work itself. So there
is no intermediate state, and nothing to clean up after a crash. Work that is refused changes nothing and saves no
answer: a repeat tries again.
"""

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from executions.conf import limits
from executions.models import IdempotentAnswer, WorkerToken


class KeyReused(ValueError):  # noqa: N818 - it names what happened
    """The key was used for another request."""


class Done(NamedTuple):
    """The answer of work that is done."""

    status: int
    body: str
    shown: UUID | None = None  # the row that the body shows; without one, the body is short


class Answer(NamedTuple):
    status: int
    body: str
    is_repeated: bool


def fingerprint(method: str, path: str, body: bytes) -> str:
    """A hash that is equal for equal requests."""
    return sha256(b"\0".join((method.encode(), path.encode("utf-8", "surrogatepass"), body))).hexdigest()


def answer_once(
    token: WorkerToken, key: str, request: str, work: Callable[[], Done], show: Callable[[UUID], str]
) -> Answer:
    """Calls `work` and saves its answer, or returns the answer of the last IDEMPOTENCY_LIFETIME seconds. `request` is a
    fingerprint. `show` gives the body that shows a row. Raises KeyReused if the key was used with another fingerprint,
    and the errors of `work` and `show`. Must not be called inside a transaction."""
    with transaction.atomic(durable=True):
        row = _lock_row(token, key, request)
        if row.fingerprint != request and not _is_expired(row):
            raise KeyReused("This Idempotency-Key was used for another request.")
        if row.status and not _is_expired(row):
            body = row.body if row.shown is None else show(row.shown)
            return Answer(row.status, body, is_repeated=True)
        status, body, shown = work()
        if shown is not None and len(body) > limits.MAX_KEPT_ANSWER:
            row.body, row.shown = "", shown
        else:
            row.body, row.shown = body, None
        row.status, row.fingerprint, row.created_at = status, request, timezone.now()
        row.save()
        return Answer(status, body, is_repeated=False)


def _lock_row(token: WorkerToken, key: str, request: str) -> IdempotentAnswer:
    """The row of this key, inserted if needed, and locked until the end of the transaction."""
    while True:
        # This waits for a transaction that has inserted the same key. get_or_create() would need a savepoint.
        new = IdempotentAnswer(token=token, key=key, fingerprint=request)
        IdempotentAnswer.objects.bulk_create([new], ignore_conflicts=True)
        row = IdempotentAnswer.objects.select_for_update().filter(token=token, key=key).first()
        if row is not None:  # None if it was expired and removed between the two statements
            return row


def _is_expired(row: IdempotentAnswer) -> bool:
    return row.created_at < timezone.now() - timedelta(seconds=limits.IDEMPOTENCY_LIFETIME)
