"""Sharing an execution by a token: whoever has the token may see what the project shows for it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction

from executions.models import GraphExecution


class ShareTokenTaken(ValueError):  # noqa: N818 - the name says what is wrong
    """Another execution has this token."""

    def __init__(self) -> None:
        super().__init__("Another execution has this share_token.")


def share_execution(execution: GraphExecution, *, is_shared: bool = True, token: str | None = None) -> GraphExecution:
    """Shares the execution with this token, or with a new one. Without `is_shared` it takes the token back: a later
    share has another one. Raises ShareTokenTaken."""
    token = token_for(is_shared, token)
    with a_token_of_its_own(token):
        locked = GraphExecution.objects.select_for_update(no_key=True).get(pk=execution.pk)
        locked.is_shared, locked.share_token = is_shared, token
        locked.save(update_fields=["is_shared", "share_token"])
    return locked


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
