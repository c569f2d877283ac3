"""One snapshot of the database for an answer that needs several reads."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections, transaction

from realtime.log.store import database


@contextmanager
def consistent_read() -> Iterator[None]:
    """All reads inside see the database as it was at the first one of them. Writes are not allowed. Inside a
    transaction that has begun already, the isolation level of that transaction applies."""
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
    """Makes a transaction of SQLite begin without the write lock, which a reader does not need: in WAL mode it reads
    one snapshot and blocks no writer. Other databases need nothing."""
    mode = getattr(connection, "transaction_mode", None)
    if mode is None:
        yield
        return
    connection.transaction_mode = "DEFERRED"  # type: ignore[attr-defined]
    try:
        yield
    finally:
        connection.transaction_mode = mode  # type: ignore[attr-defined]
