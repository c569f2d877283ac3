"""The log's writing side, and reading a stream's position. `replay.py` reads events, `retention.py` removes them.

An event is written in two steps: it is inserted in the writer's transaction, and numbered after the commit. A writer
that waited for a stream's head inside its transaction would make ordinary code deadlock, since applications save rows
in any order. So an insert takes no lock that another insert could want. A short transaction of its own gives the
numbers; it locks the heads of its streams in the order of their keys. `numbering.py` knows when one step is enough.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connections, router
from django.utils import timezone

from realtime.conf import limits
from realtime.log.types import END, EventDraft, EventTooLarge, StreamPosition
from realtime.models import ENTITY_LENGTH, KEY_LENGTH, METHOD_LENGTH, Stream, StreamEvent

_MAX_INSERT_ROWS = 100  # of one INSERT: some builds of SQLite allow 999 parameters


def database() -> str:
    """The alias of the database that holds the log."""
    return router.db_for_write(StreamEvent)


def insert(drafts: Sequence[EventDraft]) -> None:
    """Writes the drafts, unnumbered, in the current transaction. Takes no lock that another writer could want.
    Raises what `validate` raises."""
    for draft in drafts:
        validate(draft)
    using, now = database(), timezone.now()
    for start in range(0, len(drafts), _MAX_INSERT_ROWS):
        chunk = drafts[start : start + _MAX_INSERT_ROWS]
        sizes = [len(draft.data.encode()) for draft in chunk]
        originals = [
            (*draft.refs[0], draft.method, draft.data, None, size, now)
            for draft, size in zip(chunk, sizes, strict=True)
        ]
        ids = _insert_rows(using, originals)
        # The rows of further streams refer to the data of the originals, so they are inserted after them. The order of
        # the drafts still holds within each stream, because all drafts of one stream name it at the same index of refs.
        references = [
            (*ref, draft.method, None, id, size, now)
            for draft, size, id in zip(chunk, sizes, ids, strict=True)
            for ref in draft.refs[1:]
        ]
        for at in range(0, len(references), _MAX_INSERT_ROWS):
            _insert_rows(using, references[at : at + _MAX_INSERT_ROWS])


def _insert_rows(using: str, rows: Sequence[tuple[Any, ...]]) -> list[int]:
    """Inserts the rows and returns their ids, in order. `bulk_create` takes three times as long to build the same
    statement, and a worker's report waits for it."""
    connection = connections[using]
    placeholders = f"({', '.join(['%s'] * 7)})"
    columns = "key, entity, method, data, data_of_id, size, created_at"
    adapt = connection.ops.adapt_datetimefield_value
    parameters = [value for *row, created_at in rows for value in (*row, adapt(created_at))]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO realtime_streamevent ({columns}) VALUES {', '.join([placeholders] * len(rows))} RETURNING id",  # noqa: S608 - constants
            parameters,
        )
        return [id for (id,) in cursor.fetchall()]


def validate(draft: EventDraft) -> None:
    """Raises EventTooLarge, or ValueError for a key, entity or method that its column cannot hold."""
    size = len(draft.data.encode("utf-8", "surrogatepass"))
    if size > limits.MAX_EVENT_BYTES:
        raise EventTooLarge(
            f"An event of {size:,} bytes ({draft.method} of {draft.refs[0].entity}) is above "
            f"REALTIME['MAX_EVENT_BYTES'] ({limits.MAX_EVENT_BYTES:,}). Store what is large elsewhere and put a link "
            "into the outputs, or raise the limit."
        )
    for text, max_length, min_length in (
        (draft.method, METHOD_LENGTH, 1),
        *((key, KEY_LENGTH, 1) for key, _ in draft.refs),
        *((entity, ENTITY_LENGTH, 0) for _, entity in draft.refs),
    ):
        # SQLite would store all of these, PostgreSQL none.
        if not min_length <= len(text) <= max_length or "\0" in text:
            raise ValueError(
                f"{text[:80]!r} cannot be stored: a key has 1 to {KEY_LENGTH} characters, a method 1 to "
                f"{METHOD_LENGTH}, an entity at most {ENTITY_LENGTH}, and none of them has U+0000."
            )
    if len({key for key, _ in draft.refs}) < len(draft.refs):
        raise ValueError("An event cannot belong to the same stream twice.")


def lock_streams(keys: Iterable[str], *, skip_locked: bool = False) -> list[Stream]:
    """Locks the streams with these keys until the end of the transaction, and returns them. A stream that does not
    exist is left out, and with `skip_locked` one that another transaction has locked. The order of the keys is the
    order of the locks, so that two callers never deadlock. Code that changes numbered events must hold the lock of
    their stream."""
    streams = Stream.objects.using(database()).select_for_update(skip_locked=skip_locked)
    return list(streams.filter(key__in=sorted(set(keys))).order_by("key"))


@contextmanager
def brief_wait() -> Iterator[None]:
    """On SQLite, statements inside wait at most _BRIEF_WAIT for another writer, and then raise an error of which
    `is_busy` is true. Other databases lock rows, and code inside must skip locked ones."""
    connection = connections[database()]
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()
    raw = connection.connection
    (usual,) = raw.execute("PRAGMA busy_timeout").fetchone()
    raw.execute(f"PRAGMA busy_timeout = {min(_BRIEF_WAIT, usual)}")
    try:
        yield
    finally:
        if connection.connection is raw:
            raw.execute(f"PRAGMA busy_timeout = {usual}")


_BRIEF_WAIT = 500  # milliseconds; writers of SQLite wait for one another anyway, each for its short transaction


def is_busy(error: Exception) -> bool:
    """Whether another transaction was in the way, so that it is worth to try again: it holds the lock of SQLite, or
    the default isolation level of PostgreSQL is higher than READ COMMITTED, and both changed the same rows."""
    cause = error.__cause__
    is_serialization_failure = getattr(cause, "sqlstate", None) == "40001"
    return is_serialization_failure or str(getattr(cause, "sqlite_errorname", "")).startswith("SQLITE_BUSY")


def create_streams(keys: Iterable[str]) -> None:
    """Creates the streams that do not exist. The caller must hold no lock of a stream: it may wait here for another
    transaction that creates the same one."""
    missing = [Stream(key=key) for key in sorted(set(keys))]
    Stream.objects.using(database()).bulk_create(missing, ignore_conflicts=True)


def find_unnumbered(limit: int, *, after: str = "") -> list[str]:
    """The keys of at most `limit` streams that have committed events without a number, in their order, from the one
    that follows `after`."""
    with connections[database()].cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT key FROM realtime_streamevent WHERE seq IS NULL AND key > %s ORDER BY key LIMIT %s",
            [after, limit],
        )
        return [key for (key,) in cursor.fetchall()]


def find_unnumbered_among(keys: Sequence[str]) -> list[str]:
    """Those of the keys whose stream has committed events without a number. One parameter, as in `read_heads`."""
    sql = "SELECT DISTINCT key FROM realtime_streamevent WHERE seq IS NULL AND key"
    return [key for (key,) in _rows_among(sql, keys)]


def find_known(keys: Sequence[str]) -> set[str]:
    """Those of the keys that have a stream, or events that will make one when they get their numbers."""
    with_stream = _rows_among("SELECT key FROM realtime_stream WHERE key", keys)
    return {key for (key,) in with_stream} | set(find_unnumbered_among(keys))


def find_ended(keys: Iterable[str]) -> list[str]:
    """Those of the keys whose stream has been ended and is not removed yet."""
    markers = StreamEvent.objects.using(database()).filter(key__in=list(keys), seq__isnull=True, method=END)
    return list(markers.values_list("key", flat=True).distinct())


def read_head(key: str) -> tuple[StreamPosition | None, bool]:
    """The position of the stream, or None where it does not exist, and whether events of it may wait for a number."""
    with connections[database()].cursor() as cursor:
        cursor.execute(_READ_HEAD, (key,))
        row = cursor.fetchone()
    return (StreamPosition(*row[:4]), bool(row[4])) if row else (None, True)


# Plain SQL, because a socket waits for it: Django takes three times as long to build this query as the database to run.
_READ_HEAD = """
    SELECT id, epoch, head, floor,
        EXISTS (SELECT 1 FROM realtime_streamevent pending WHERE pending.key = stream.key AND pending.seq IS NULL)
    FROM realtime_stream stream WHERE key = %s
"""


def read_heads(stream_ids: Sequence[int]) -> list[StreamPosition]:
    """The positions of the streams with these ids; a stream that is gone is left out. The ids are sent as one
    parameter: for 10,000 streams that takes a quarter of the CPU time of as many placeholders."""
    sql = "SELECT id, epoch, head, floor FROM realtime_stream WHERE id"
    return [StreamPosition(*row) for row in _rows_among(sql, stream_ids)]


def _rows_among(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of a statement that ends with the name of a column which must have one of these values."""
    connection = connections[database()]
    is_postgresql = connection.vendor == "postgresql"
    condition = "= ANY(%s)" if is_postgresql else "IN (SELECT value FROM json_each(%s))"
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} {condition}", [list(values) if is_postgresql else json.dumps(list(values))])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
