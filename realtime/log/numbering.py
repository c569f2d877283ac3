"""Which number an event gets: the next one of its stream, in the order in which the changes were recorded, once they
are committed.

A pass numbers what is committed. The stream's head is locked before the events are looked at: under READ COMMITTED one
statement that did both would take its snapshot before the lock, and miss what was committed while it waited.

On PostgreSQL an event whose transaction commits next needs no pass: it is inserted with its number where nobody has
locked the head and nothing that was committed before it waits for one. A head is locked in a writer's transaction then;
yet nobody can be deadlocked by it, because a writer does not wait for a head, and a pass, which does, holds nothing
that a writer waits for.

PostgreSQL does either in one journey, by functions (migrations/); elsewhere a pass is a transaction of some statements.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db import connections, transaction
from django.utils import timezone

from realtime.conf import limits
from realtime.log import store
from realtime.log.store import database, lock, make
from realtime.log.types import END, EventDraft, LogEvent, Numbered
from realtime.models import Stream, StreamEvent

_MOST = 500  # events of a stream that one transaction numbers, and holds in memory
_SILENCE = "5s"  # of a writer between a number and its commit; then PostgreSQL ends it, and the head is free

Row = tuple[str, str, int | None, str, str | None]
"""Key, epoch, and an event's number, method and data. A stream without new events has one row, without a number."""


def insert(entries: Sequence[EventDraft], *, commits_next: bool) -> tuple[list[Numbered], set[str]]:
    """Writes the entries in the current transaction, as `store.insert` does. Returns the numbers that they have got, to
    be announced after the commit, and the keys of the streams in which they wait for a pass.

    `commits_next` says that nothing but the commit comes after this. Only then a number is taken along: until the
    commit all others of the stream wait for theirs.
    """
    using = database()
    if commits_next and len(entries) == 1 and entries[0].method != END and connections[using].vendor == "postgresql":
        return _insert_one(using, entries[0])
    store.insert(entries)
    return [], {place.key for entry in entries for place in entry.refs}


def _insert_one(using: str, entry: EventDraft) -> tuple[list[Numbered], set[str]]:
    store.check(entry)
    keys, entities = zip(*entry.refs, strict=True)
    size = len(entry.data.encode())
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT * FROM realtime_record(%s, %s, %s, %s, %s, %s, %s)",
            [list(keys), list(entities), entry.method, entry.data, size, timezone.now(), _SILENCE],
        )
        rows = cursor.fetchall()
    data = entry.data if size <= limits.MAX_INLINE_BYTES else None
    numbered, waiting = [], set()
    for key, (epoch, seq) in zip(keys, rows, strict=True):
        if seq is None:
            waiting.add(key)
        else:
            numbered.append(Numbered(key, epoch, [LogEvent(seq, entry.method, data)]))
    return numbered, waiting


def number(keys: Iterable[str]) -> list[Numbered]:
    """Numbers every committed, unnumbered event of these streams in the order of their ids, and raises the heads.
    A stream that does not exist yet is made. In transactions of its own: inside another one, which would keep the heads
    locked, it raises RuntimeError.
    """
    using = database()
    around = connections[using].atomic_blocks
    if around and not around[-1]._from_testcase:  # type: ignore[attr-defined] # as `atomic(durable=True)` asks
        raise RuntimeError("Events are numbered after the commit: within a transaction the heads would stay locked.")
    number_some = _by_function if connections[using].vendor == "postgresql" else _by_statements
    wanted, result = set(keys), []
    while wanted:
        missing = set(wanted)
        for (key, epoch), rows in groupby(number_some(using, sorted(wanted)), itemgetter(0, 1)):
            events = [LogEvent(seq, method, data) for _, _, seq, method, data in rows if seq is not None]
            missing.discard(key)
            if events:
                result.append(Numbered(key, epoch, events))
            if len(events) < _MOST:
                wanted.discard(key)
        if missing:
            make(missing)
    return result


def _by_function(using: str, keys: Sequence[str]) -> list[Row]:
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT * FROM realtime_number(%s, %s, %s, %s)", [list(keys), END, _MOST, limits.MAX_INLINE_BYTES]
        )
        return list(cursor.fetchall())


_NUMBER = """
    UPDATE realtime_streamevent
    SET stream_id = %s, seq = next_seq, key = ''
    FROM (
        SELECT id AS pending_id, %s + row_number() OVER (ORDER BY id) AS next_seq
        FROM realtime_streamevent
        WHERE key = %s AND seq IS NULL AND method <> %s
        ORDER BY id
        LIMIT %s
    ) AS pending
    WHERE id = pending_id
    RETURNING seq, method, data_of_id, CASE WHEN size <= %s THEN data END, size
"""


def _by_statements(using: str, keys: Sequence[str]) -> list[Row]:
    rows: list[Row] = []
    with transaction.atomic(using):
        for stream in lock(keys):
            events = _pending(using, stream)
            if events:
                Stream.objects.using(using).filter(pk=stream.pk).update(head=events[-1][0])
                rows += [(stream.key, stream.epoch, *event) for event in events]
            else:
                rows.append((stream.key, stream.epoch, None, "", None))
    return rows


def _pending(using: str, stream: Stream) -> list[Any]:
    inline = limits.MAX_INLINE_BYTES
    with connections[using].cursor() as cursor:
        cursor.execute(_NUMBER, [stream.pk, stream.head, stream.key, END, _MOST, inline])
        rows = sorted(cursor.fetchall())
    elsewhere = [data_of for _, _, data_of, _, size in rows if data_of and size <= inline]
    data_by_id = dict(StreamEvent.objects.using(using).filter(pk__in=elsewhere).values_list("pk", "data"))
    return [(seq, method, data_by_id.get(data_of) if data_of else data) for seq, method, data_of, data, _ in rows]
