"""How one change is made: wholly or not at all, and without a savepoint of its own.

A savepoint would cost two statements a save and, in a transaction of many saves, PostgreSQL's subtransactions. Without
one, an error that passes through leaves the transaction around it to be rolled back only. A change that is refused
before anything was written need not do that: whoever catches the refusal can go on in the same transaction.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction


class RefusedBeforeWrite(Exception):  # noqa: N818 - never seen outside: one_change() raises what it carries
    """Carries an error that was found before anything was written."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def ends_in_commit(using: str | None) -> bool:
    """Whether an atomic block that began now would end with the commit, and not inside another one."""
    return transaction.get_autocommit(using)


@contextmanager
def one_change(using: str | None) -> Iterator[bool]:
    """One atomic block; gives whether it ends with the commit. `RefusedBeforeWrite` inside it becomes the error it
    carries, and leaves the block around this one usable; any other error dooms that one, since something may have been
    written."""
    commits = ends_in_commit(using)
    try:
        with transaction.atomic(using=using, savepoint=False):
            yield commits
    except RefusedBeforeWrite as refused:
        if transaction.get_connection(using).in_atomic_block:
            transaction.set_rollback(False, using=using)
        raise refused.error from None
