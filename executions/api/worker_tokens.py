"""Create, find and revoke the tokens of workers.

A token is 256 random bits. It cannot be guessed, so the database keeps only its SHA-256. A slow hash would cost more
than the report itself.
"""

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from executions.models import Graph, WorkerToken

PREFIX = "rwk_"  # so that people and secret scanners recognise one
_LAST_USED_RESOLUTION = timedelta(minutes=1)  # so that not every report writes to the token's row


class NameInUse(ValueError):  # noqa: N818 - it is about the name
    """A token of this name exists and is not revoked."""


def create_token(
    name: str,
    expires_at: datetime | None = None,
    *,
    users: Iterable[Any] | None = None,
    graphs: Iterable[Graph] | None = None,
) -> tuple[WorkerToken, str]:
    """The row, and the token itself, which is not stored. It may start runs for these users, of these graphs; None is
    all (see `worker_scope.py`). Raises NameInUse, and ValueError for a name that is empty,
    too long or not storable."""
    if not name.strip():
        raise ValueError("A worker needs a name.")
    secret = PREFIX + secrets.token_urlsafe(32)
    try:
        with transaction.atomic():
            token = WorkerToken.objects.create(
                name=name,
                digest=_digest(secret),
                expires_at=expires_at,
                all_users=users is None,
                all_graphs=graphs is None,
            )
            token.users.set(users or ())
            token.graphs.set(graphs or ())
            return token, secret
    except IntegrityError:
        raise NameInUse(f'There is a token "{name}" already. Revoke it first, or choose another name.') from None


def find_token(secret: str) -> WorkerToken | None:
    """The row of a valid token. None if it is unknown, expired or revoked."""
    now = timezone.now()
    valid = WorkerToken.objects.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now), revoked_at__isnull=True)
    token = valid.filter(digest=_digest(secret)).first()
    if token and (token.last_used_at is None or now - token.last_used_at > _LAST_USED_RESOLUTION):
        WorkerToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


def revoke_token(name: str) -> bool:
    """Revokes the token of this name at once. False if there is none."""
    valid = WorkerToken.objects.filter(name=name, revoked_at__isnull=True)
    return valid.update(revoked_at=timezone.now()) > 0


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
