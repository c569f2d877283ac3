"""The log's writing side: insert in the writer's transaction, number after its commit. `replay.py` reads it,
`retention.py` shortens it.

Why in two steps: a writer that waits for a stream's head inside its transaction makes ordinary code deadlock, since
users' code saves in any order. So an insert locks nothing that another insert could want, and the numbers are given by
a short transaction of its own, which locks the heads of its streams in the order of their keys. numbering.py knows when
one step is enough.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connections, router
from django.utils import timezone

from realtime.conf import limits
from realtime.log.types import END, EventDraft, EventTooLarge, StreamPosition
from realtime.models import ENTITY_LENGTH, KEY_LENGTH, METHOD_LENGTH, Stream, StreamEvent


def database() -> str:
    """The alias of the database that holds the log."""
    return router.db_for_write(StreamEvent)


def insert(entries: Sequence[EventDraft]) -> None:
    """Writes the entries, unnumbered, in the current transaction. Takes no lock that another writer could want.
    Raises what `check` raises."""
    for entry in entries:
        check(entry)
    using, now = database(), timezone.now()
    for start in range(0, len(entries), _ROWS):
        chunk = entries[start : start + _ROWS]
        sizes = [len(entry.data.encode()) for entry in chunk]
        firsts = [
            (*entry.refs[0], entry.method, entry.data, None, size, now)
            for entry, size in zip(chunk, sizes, strict=True)
        ]
        ids = _insert(using, firsts)
        # The second places come after the first ones, since they refer to them. Within a stream the order of the
        # entries holds, because an entry has each stream at the same place.
        others = [
            (*place, entry.method, None, id, size, now)
            for entry, size, id in zip(chunk, sizes, ids, strict=True)
            for place in entry.refs[1:]
        ]
        for at in range(0, len(others), _ROWS):
            _insert(using, others[at : at + _ROWS])


_ROWS = 100  # of one INSERT: SQLite, as some systems build it, takes 999 parameters


def _insert(using: str, rows: Sequence[tuple[Any, ...]]) -> list[int]:
    """Their ids, in order. Not by `bulk_create`, which takes three times as long to build the same statement; a
    report of a worker waits for it."""
    connection = connections[using]
    place = f"({', '.join(['%s'] * 7)})"
    columns = "key, entity, method, data, data_of_id, size, created_at"
    at = connection.ops.adapt_datetimefield_value
    parameters = [value for *row, created_at in rows for value in (*row, at(created_at))]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO realtime_streamevent ({columns}) VALUES {', '.join([place] * len(rows))} RETURNING id",  # noqa: S608 - constants
            parameters,
        )
        return [id for (id,) in cursor.fetchall()]


def check(entry: EventDraft) -> None:
    """Raises EventTooLarge, or ValueError for a key, entity or method that its column cannot hold."""
    size = len(entry.data.encode("utf-8", "surrogatepass"))
    if size > limits.MAX_EVENT_BYTES:
        raise EventTooLarge(
            f"An event of {size:,} bytes ({entry.method} of {entry.refs[0].entity}) is above "
            f"REALTIME['MAX_EVENT_BYTES'] ({limits.MAX_EVENT_BYTES:,}). Store what is large elsewhere and put a link "
            "into the outputs, or raise the limit."
        )
    for text, longest, shortest in (
        (entry.method, METHOD_LENGTH, 1),
        *((key, KEY_LENGTH, 1) for key, _ in entry.refs),
        *((entity, ENTITY_LENGTH, 0) for _, entity in entry.refs),
    ):
        # SQLite would keep all of these, and PostgreSQL none.
        if not shortest <= len(text) <= longest or "\0" in text:
            raise ValueError(
                f"{text[:80]!r} cannot be kept: a key has 1 to {KEY_LENGTH} characters, a method 1 to {METHOD_LENGTH}, "
                f"an entity at most {ENTITY_LENGTH}, and none of them has U+0000."
            )
    if len({key for key, _ in entry.refs}) < len(entry.refs):
        raise ValueError("An event cannot stand twice in one stream.")


def lock(keys: Iterable[str]) -> list[Stream]:
    """Locks those of the streams that exist until the end of the transaction. In the order of their keys, so that no
    two passes wait for each other; whoever changes numbered events holds the lock of their stream."""
    streams = Stream.objects.using(database()).select_for_update()
    return list(streams.filter(key__in=sorted(set(keys))).order_by("key"))


def make(keys: Iterable[str]) -> None:
    """Makes those of the streams that do not exist. Not while one is locked: who waits here, for another who makes the
    same one, must hold nothing."""
    missing = [Stream(key=key) for key in sorted(set(keys))]
    Stream.objects.using(database()).bulk_create(missing, ignore_conflicts=True)


def unnumbered(most: int) -> list[str]:
    """The keys of at most `most` streams that have committed events without a number."""
    with connections[database()].cursor() as cursor:
        cursor.execute("SELECT DISTINCT key FROM realtime_streamevent WHERE seq IS NULL LIMIT %s", [most])
        return [key for (key,) in cursor.fetchall()]


def ended(keys: Iterable[str]) -> list[str]:
    """Those of the keys whose stream has been ended, and not yet removed."""
    markers = StreamEvent.objects.using(database()).filter(key__in=list(keys), seq__isnull=True, method=END)
    return list(markers.values_list("key", flat=True).distinct())


def read_head(key: str) -> tuple[StreamPosition | None, bool]:
    """The stream as it stands, None where it does not exist yet; and whether it has events without a number."""
    with connections[database()].cursor() as cursor:
        cursor.execute(_LOOK_UP, (key,))
        row = cursor.fetchone()
    return (StreamPosition(*row[:4]), bool(row[4])) if row else (None, True)


# By hand, as all that a socket waits for: to build such a query costs Django three times what the database takes.
_LOOK_UP = """
    SELECT id, epoch, head, floor,
        EXISTS (SELECT 1 FROM realtime_streamevent pending WHERE pending.key = stream.key AND pending.seq IS NULL)
    FROM realtime_stream stream WHERE key = %s
"""


def heads(stream_ids: Sequence[int]) -> list[StreamPosition]:
    """The streams with these ids, as they stand; one that is gone is missing. The ids go over as one parameter: for
    10,000 streams that costs a quarter of the CPU that as many placeholders cost."""
    using = database()
    if connections[using].vendor == "postgresql":
        where, ids = "id = ANY(%s)", list(stream_ids)
    else:
        where, ids = "id IN (SELECT value FROM json_each(%s))", str(list(stream_ids))  # type: ignore[assignment]
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT id, epoch, head, floor FROM realtime_stream WHERE {where}", [ids])  # noqa: S608 - constants
        return [StreamPosition(*row) for row in cursor.fetchall()]
