"""Sharing an execution by a link. Whoever has the link sees status, times and masked outputs, and nothing else.

A link is good while its token is that of a shared execution, `share_expires_at` has not come, and the owner is active.
"""

import re
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from executions.conf import limits
from executions.models import GraphExecution
from executions.models.graph_execution import SHARE_TOKEN


class WrongEnd(ValueError):  # noqa: N818 - the name says what is wrong
    """A link cannot end at this time."""


class ShareTokenTaken(ValueError):  # noqa: N818 - the name says what is wrong
    """Another execution has this token."""

    def __init__(self) -> None:
        super().__init__("Another execution has this share_token.")


def share_execution(
    execution: GraphExecution,
    *,
    is_shared: bool = True,
    token: str | None = None,
    expires_at: datetime | None = None,
) -> GraphExecution:
    """Shares the execution with this token, or with a new one, until `expires_at`; without it for SHARE_LIFETIME.
    Without `is_shared` it takes the token back: a later share has another one. Raises ShareTokenTaken, and WrongEnd
    for a time that is past or beyond SHARE_LIFETIME."""
    token, expires_at = token_for(is_shared, token), end_of_link(is_shared, expires_at)
    with a_token_of_its_own(token):
        locked = GraphExecution.objects.select_for_update(no_key=True).get(pk=execution.pk)
        locked.is_shared, locked.share_token, locked.share_expires_at = is_shared, token, expires_at
        locked.save(update_fields=["is_shared", "share_token", "share_expires_at"])
    return locked


def end_of_link(is_shared: bool, wanted: datetime | None = None) -> datetime | None:
    """When a link ends that is made now: at the wanted time, else after SHARE_LIFETIME. None: never. Raises WrongEnd
    as `share_execution` does."""
    if not is_shared:
        return None
    if wanted is not None:
        return check_end(wanted)
    return None if limits.SHARE_LIFETIME is None else timezone.now() + timedelta(seconds=limits.SHARE_LIFETIME)


def check_end(wanted: datetime) -> datetime:
    """Raises WrongEnd for a time that is past or beyond SHARE_LIFETIME."""
    seconds, longest = (wanted - timezone.now()).total_seconds(), limits.SHARE_LIFETIME
    if seconds <= 0:
        raise WrongEnd("a link ends in the future")
    if longest is not None and seconds > longest:
        raise WrongEnd(f'a link ends after at most {longest:,.0f} seconds (EXECUTIONS["SHARE_LIFETIME"])')
    return wanted


def opened_by(tokens: Collection[str], *fields: str) -> list[GraphExecution]:
    """The executions that these tokens open now, with these fields, in one query. The tokens may be any texts."""
    known = [token for token in tokens if re.fullmatch(SHARE_TOKEN, token)]
    if not known:
        return []
    is_on = Q(share_expires_at=None) | Q(share_expires_at__gt=timezone.now())
    rows = GraphExecution.objects.filter(is_on, is_shared=True, share_token__in=known)
    related = {name.partition("__")[0] for name in fields if "__" in name}
    rows = rows.select_related("user", *related).only("user", "share_token", "share_expires_at", *related, *fields)
    return [row for row in rows if row.user.is_active]


def token_for(is_shared: bool, token: str | None = None) -> str | None:
    """The token of an execution: the wanted one, or one that cannot be guessed. None for one that is not shared."""
    return (token or secrets.token_urlsafe(32)) if is_shared else None


@contextmanager
def a_token_of_its_own(token: str | None) -> Iterator[None]:
    """A transaction that writes a row with this token. Raises ShareTokenTaken."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        if token is not None and GraphExecution.objects.filter(share_token=token).exists():
            raise ShareTokenTaken from None
        raise
