"""One change of the database: an atomic block that writes everything or nothing, without a savepoint.

A savepoint costs two statements a save. In a transaction of many saves it also makes PostgreSQL open subtransactions.
Without a savepoint, an error inside the block forces the surrounding transaction to roll back. `RefusedBeforeWrite` is
the exception: nothing was written, so the caller can catch the error and continue in the same transaction.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction


class RefusedBeforeWrite(Exception):  # noqa: N818 - never leaves atomic_change(), which raises the error inside
    """Wraps an error that was found before the first write of a change."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@contextmanager
def refused_before_write() -> Iterator[None]:
    """Wraps the ValueError of a check that comes before the first write of a change."""
    try:
        yield
    except ValueError as error:
        raise RefusedBeforeWrite(error) from None


def is_outside_transaction(using: str | None) -> bool:
    """Whether no transaction is open. If so, the end of the next atomic block is the commit."""
    return transaction.get_autocommit(using)


@contextmanager
def atomic_change(using: str | None) -> Iterator[bool]:
    """Opens one atomic block. Yields whether the end of the block is the commit.

    `RefusedBeforeWrite` raises the error that it wraps, and the surrounding transaction stays usable. Any other error
    forces the surrounding transaction to roll back, because something may have been written.
    """
    ends_in_commit = is_outside_transaction(using)
    try:
        with transaction.atomic(using=using, savepoint=False):
            yield ends_in_commit
    except RefusedBeforeWrite as refused:
        if transaction.get_connection(using).in_atomic_block:
            transaction.set_rollback(False, using=using)
        raise refused.error from None
