"""Workers' tokens: made, found by what a worker shows, revoked.

A token is 256 random bits, so its SHA-256 is enough to keep: there is nothing to guess, and a slow hash would cost each
report more than the report.
"""

import secrets
from datetime import datetime, timedelta
from hashlib import sha256

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from executions.models import WorkerToken

PREFIX = "rwk_"  # so that people and secret scanners recognise one
_USE_IS_NOTED_EVERY = timedelta(minutes=1)  # not a write for each report


class NameInUse(ValueError):  # noqa: N818 - it is about the name
    """There is a token of this name that has not been revoked."""


def create_token(name: str, expires_at: datetime | None = None) -> tuple[WorkerToken, str]:
    """The token's row, and the token itself, which cannot be had again. Raises NameInUse, and ValueError for a name
    that is empty, too long or cannot be kept."""
    if not name.strip():
        raise ValueError("A worker needs a name.")
    secret = PREFIX + secrets.token_urlsafe(32)
    try:
        with transaction.atomic():
            return WorkerToken.objects.create(name=name, digest=_digest(secret), expires_at=expires_at), secret
    except IntegrityError:
        raise NameInUse(f'There is a token "{name}" already. Revoke it first, or choose another name.') from None


def find_token(secret: str) -> WorkerToken | None:
    """The valid token that this is."""
    now = timezone.now()
    valid = WorkerToken.objects.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now), revoked_at__isnull=True)
    token = valid.filter(digest=_digest(secret)).first()
    if token and (token.last_used_at is None or now - token.last_used_at > _USE_IS_NOTED_EVERY):
        WorkerToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


def revoke_token(name: str) -> bool:
    """Whether there was one of this name to revoke. Reports with it are refused from now on."""
    held = WorkerToken.objects.filter(name=name, revoked_at__isnull=True)
    return held.update(revoked_at=timezone.now()) > 0


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
