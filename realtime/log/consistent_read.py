"""One moment of the database, for answers that are put together from several reads."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections, transaction

from realtime.log.store import database


@contextmanager
def consistent_read() -> Iterator[None]:
    """All reads inside see the database as it was at the first of them, whatever is committed meanwhile; nothing is
    written. Inside a transaction that has begun already it is that one which says what is seen."""
    connection = connections[database()]
    if connection.in_atomic_block:
        yield
        return
    with _deferred(connection), transaction.atomic(connection.alias):
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


@contextmanager
def _deferred(connection: object) -> Iterator[None]:
    """SQLite's transactions begin by waiting for the right to write, which a reader does not need: in WAL it sees one
    moment and holds up nobody."""
    mode = getattr(connection, "transaction_mode", None)
    if mode is None:
        yield
        return
    connection.transaction_mode = "DEFERRED"  # type: ignore[attr-defined]
    try:
        yield
    finally:
        connection.transaction_mode = mode  # type: ignore[attr-defined]
