"""Which number an event gets: the next one of its stream, after the commit, in the order of the event ids.

A pass numbers the committed events. It locks the stream's head before it reads the events. Under READ COMMITTED, one
statement that did both would take its snapshot before the lock, and would miss what was committed just before it.

A pass waits for no head. If another transaction has locked it, the pass goes on with its other streams, and says which
ones it left. `publishing/after_commit.py` tries these again soon.

On PostgreSQL, an event whose transaction commits next needs no pass: it is inserted with its number, if no other
transaction has locked the head and no event that was committed earlier waits for a number. The writer then locks a
head inside its transaction. This cannot deadlock, since neither a writer nor a pass waits for a head.

PostgreSQL does both in one round trip, with functions (`migrations/`). On other databases a pass is a transaction of
several statements.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from django.db import connections, transaction
from django.utils import timezone

from realtime.conf import limits
from realtime.log import store
from realtime.log.store import create_streams, database, lock_streams
from realtime.log.types import END, EventDraft, LogEvent, NumberedEvents
from realtime.models import Stream, StreamEvent
from realtime.wire.methods import WSMethod

_MAX_EVENTS = 500  # of one stream that one transaction numbers and holds in memory
# How long a writer may be idle between its number and its commit. Then PostgreSQL ends its session, which unlocks the
# head.
_IDLE_IN_TRANSACTION_TIMEOUT = "5s"

Row = tuple[str, str | None, int | None, str, str | None]
"""A stream's key and epoch, and an event's number, method and data. A stream without new events has one row, whose
number is None. A stream whose head is locked has one row, whose epoch is None, too."""


class Pass(NamedTuple):
    """What a pass has done."""

    numbered: list[NumberedEvents]
    locked: set[str]  # the keys of the streams whose head another transaction had locked


def insert(drafts: Sequence[EventDraft], *, is_last_before_commit: bool) -> tuple[list[NumberedEvents], set[str]]:
    """Writes the drafts in the current transaction, as `store.insert` does. Returns the events that have a number
    already, to be announced after the commit, and the keys of the streams in which events wait for a pass.

    `is_last_before_commit` says that the transaction does nothing more but commit. Only then an event gets its number
    here, because until the commit all other events of the stream wait for theirs.
    """
    using = database()
    if (
        is_last_before_commit
        and len(drafts) == 1
        and drafts[0].method != END
        and connections[using].vendor == "postgresql"
    ):
        return _insert_numbered(using, drafts[0])
    store.insert(drafts)
    return [], {ref.key for draft in drafts for ref in draft.refs}


def _insert_numbered(using: str, draft: EventDraft) -> tuple[list[NumberedEvents], set[str]]:
    store.validate(draft)
    keys, entities = zip(*draft.refs, strict=True)
    size = len(draft.data.encode())
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT * FROM realtime_record(%s, %s, %s, %s, %s, %s, %s)",
            [list(keys), list(entities), draft.method, draft.data, size, timezone.now(), _IDLE_IN_TRANSACTION_TIMEOUT],
        )
        rows = cursor.fetchall()
    data = draft.data if size <= limits.MAX_INLINE_BYTES else None
    numbered, unnumbered = [], set()
    for (key, entity), (epoch, seq) in zip(draft.refs, rows, strict=True):
        if seq is None:
            unnumbered.add(key)
        else:
            id = entity if draft.method == WSMethod.NOTIFICATION else None
            numbered.append(NumberedEvents(key, epoch, [LogEvent(seq, draft.method, data, id)]))
    return numbered, unnumbered


def number(keys: Iterable[str]) -> Pass:
    """Numbers every committed, unnumbered event of these streams in the order of their ids, and raises the heads.
    Creates their streams that do not exist. Leaves out a stream whose head is locked. Uses transactions of its own;
    raises RuntimeError inside another one, which would keep the heads locked.
    """
    using = database()
    outer = connections[using].atomic_blocks
    if outer and not outer[-1]._from_testcase:  # type: ignore[attr-defined] # as `atomic(durable=True)` does
        raise RuntimeError("Number events after the commit: inside a transaction the heads would stay locked.")
    number_batch = _number_by_function if connections[using].vendor == "postgresql" else _number_by_statements
    remaining, result = set(keys), Pass([], set())
    while remaining:
        missing = set(remaining)
        for (key, epoch), rows in groupby(number_batch(using, sorted(remaining)), itemgetter(0, 1)):
            events = [LogEvent(seq, method, data) for _, _, seq, method, data in rows if seq is not None]
            missing.discard(key)
            if epoch is None:
                result.locked.add(key)
            if events:
                result.numbered.append(NumberedEvents(key, epoch, _with_ids(using, key, events)))
            if len(events) < _MAX_EVENTS:
                remaining.discard(key)
        if missing:
            # A stream without such events was removed by another process meanwhile: it must not come back.
            awaited = set(store.find_unnumbered_among(list(missing)))
            create_streams(awaited)
            remaining -= missing - awaited
    return result


def _with_ids(using: str, key: str, events: list[LogEvent]) -> list[LogEvent]:
    """The events; the notifications have their ids, which a pass does not return."""
    seqs = [event.seq for event in events if event.method == WSMethod.NOTIFICATION]
    if not seqs:
        return events
    rows = StreamEvent.objects.using(using).filter(stream__key=key, seq__gte=seqs[0], seq__lte=seqs[-1])
    ids = dict(rows.filter(method=WSMethod.NOTIFICATION).values_list("seq", "entity"))
    return [event._replace(id=ids.get(event.seq)) for event in events]


def _number_by_function(using: str, keys: Sequence[str]) -> list[Row]:
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT * FROM realtime_number(%s, %s, %s, %s)", [list(keys), END, _MAX_EVENTS, limits.MAX_INLINE_BYTES]
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


def _number_by_statements(using: str, keys: Sequence[str]) -> list[Row]:
    rows: list[Row] = []
    with transaction.atomic(using):
        for stream in lock_streams(keys):
            events = _number_pending(using, stream)
            if events:
                Stream.objects.using(using).filter(pk=stream.pk).update(head=events[-1][0])
                rows += [(stream.key, stream.epoch, *event) for event in events]
            else:
                rows.append((stream.key, stream.epoch, None, "", None))
    return rows


def _number_pending(using: str, stream: Stream) -> list[Any]:
    inline = limits.MAX_INLINE_BYTES
    with connections[using].cursor() as cursor:
        cursor.execute(_NUMBER, [stream.pk, stream.head, stream.key, END, _MAX_EVENTS, inline])
        rows = sorted(cursor.fetchall())
    referenced_ids = [data_of for _, _, data_of, _, size in rows if data_of and size <= inline]
    data_by_id = dict(StreamEvent.objects.using(using).filter(pk__in=referenced_ids).values_list("pk", "data"))
    return [(seq, method, data_by_id.get(data_of) if data_of else data) for seq, method, data_of, data, _ in rows]
