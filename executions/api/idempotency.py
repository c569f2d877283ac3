"""Repeats that do no harm: the first request with a key does the work, all others get its answer.

The answer is inserted in the transaction of the work. A second request with the same key waits at the unique index
until the first has committed, and then finds its answer, or until it was rolled back, and then does the work itself. So
there is no state between, and nothing to clean up after a crash. Work that is refused changes nothing and leaves no
answer: a repeat is looked at anew.
"""

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from executions.conf import limits
from executions.models import IdempotentAnswer, WorkerToken

_SWEPT = 100  # answers that have expired, removed with each that is kept


class OtherRequest(ValueError):  # noqa: N818 - it names what was sent
    """The key was used for another request."""


class Answer(NamedTuple):
    status: int
    body: str
    is_repeated: bool


def fingerprint(method: str, path: str, body: bytes) -> str:
    """What makes two requests the same."""
    return sha256(b"\0".join((method.encode(), path.encode("utf-8", "surrogatepass"), body))).hexdigest()


def answer_once(token: WorkerToken, key: str, request: str, work: Callable[[], tuple[int, str]]) -> Answer:
    """The answer of `work`, done now or once before within IDEMPOTENCY_LIFETIME. Raises OtherRequest if the key came
    with another `request` (a fingerprint), and whatever `work` raises. Must not be called inside a transaction."""
    _remove_expired()
    with transaction.atomic(durable=True):
        row = _hold(token, key, request)
        if row.fingerprint != request and not _is_expired(row):
            raise OtherRequest("This Idempotency-Key was used for another request.")
        if row.status and not _is_expired(row):
            return Answer(row.status, row.body, is_repeated=True)
        row.status, row.body = work()
        row.fingerprint, row.created_at = request, timezone.now()
        row.save()
        return Answer(row.status, row.body, is_repeated=False)


def _hold(token: WorkerToken, key: str, request: str) -> IdempotentAnswer:
    """The row of this key, new or not, locked until the end of the transaction."""
    while True:
        # Unlike get_or_create(), which needs a savepoint, this waits for whoever has just inserted the same key.
        mine = IdempotentAnswer(token=token, key=key, fingerprint=request)
        IdempotentAnswer.objects.bulk_create([mine], ignore_conflicts=True)
        row = IdempotentAnswer.objects.select_for_update().filter(token=token, key=key).first()
        if row is not None:  # else it had expired, and was removed between the two
            return row


def _is_expired(row: IdempotentAnswer) -> bool:
    return row.created_at < timezone.now() - timedelta(seconds=limits.IDEMPOTENCY_LIFETIME)


def _remove_expired() -> None:
    before = timezone.now() - timedelta(seconds=limits.IDEMPOTENCY_LIFETIME)
    expired = IdempotentAnswer.objects.filter(created_at__lt=before)
    ids = list(expired.order_by("created_at").values_list("pk", flat=True)[:_SWEPT])
    if ids:
        expired.filter(pk__in=ids).delete()  # the age is asked again: one may have begun anew since
