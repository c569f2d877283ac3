"""The log's reading side: pages of what follows a cursor, and the newest event of each entity."""

from collections.abc import Sequence
from typing import NamedTuple

from django.db import connections
from django.db.models import Case, F, Max, When
from django.db.models.functions import Coalesce

from realtime.conf import limits
from realtime.log.store import database
from realtime.log.types import LogEvent
from realtime.models import StreamEvent


class Page(NamedTuple):
    """Events in the order of their numbers, with the stream as it stood in the same snapshot. At most PAGE_EVENTS
    events and PAGE_BYTES bytes, but always one event where there is one."""

    epoch: str
    head: int
    floor: int
    events: Sequence[LogEvent]


def read_after(stream_id: int, after: int) -> Page | None:
    """The events that follow `after`; None where the stream is gone. One statement, so that epoch, head and floor are
    of one snapshot with the events."""
    after = max(0, min(after, _LAST))  # a client may name any number
    with connections[database()].cursor() as cursor:
        cursor.execute(_AFTER, (limits.MAX_INLINE_BYTES, after, after + limits.PAGE_EVENTS, stream_id))
        rows = cursor.fetchall()
    if not rows:
        return None
    epoch, head, floor = rows[0][:3]
    found = [row[3:] for row in rows if row[3] is not None]
    return Page(epoch, head, floor, _within_bytes(stream_id, found))


_LAST = 2**62  # no stream comes so far, and the column could hold twice as much

# By hand: to build this query costs Django four times what PostgreSQL takes for a page.
_AFTER = """
    SELECT stream.epoch, stream.head, stream.floor, event.seq, event.method, event.size,
        CASE WHEN event.size <= %s THEN COALESCE(event.data, original.data) END
    FROM realtime_stream stream
    LEFT JOIN realtime_streamevent event ON event.stream_id = stream.id AND event.seq > %s AND event.seq <= %s
    LEFT JOIN realtime_streamevent original ON original.id = event.data_of_id
    WHERE stream.id = %s ORDER BY event.seq
"""


def read_each(stream_id: int, seqs: Sequence[int]) -> Sequence[LogEvent]:
    """The events with these numbers, in their order, as many of the first ones as PAGE_BYTES allows. One that has been
    pruned is left out: a newer event of its entity follows it."""
    rows = (
        StreamEvent.objects.using(database())
        .filter(stream_id=stream_id, seq__in=seqs)
        .order_by("seq")
        .values_list(
            "seq",
            "method",
            "size",
            Case(When(size__lte=limits.MAX_INLINE_BYTES, then=Coalesce("data", "data_of__data"))),
        )
    )
    return _within_bytes(stream_id, list(rows))


def _within_bytes(stream_id: int, rows: Sequence[tuple[int, str, int, str | None]]) -> Sequence[LogEvent]:
    """Cuts the rows where their sizes pass PAGE_BYTES, and fetches the data of the large ones among the rest."""
    total, kept = 0, 0
    for _, _, size, _ in rows:
        total += size
        if kept and total > limits.PAGE_BYTES:
            break
        kept += 1
    rows = rows[:kept]
    large = [seq for seq, _, _, data in rows if data is None]
    data_by_seq = dict(
        StreamEvent.objects.using(database())
        .filter(stream_id=stream_id, seq__in=large)
        .values_list("seq", Coalesce("data", "data_of__data"))
        if large
        else ()
    )
    events = []
    for seq, method, _, data in rows:
        text = data if data is not None else data_by_seq.get(seq)
        if text is not None:  # pruned between the two statements otherwise
            events.append(LogEvent(seq, method, text))
    return events


def newest_by_entity(stream_id: int, *, after: int, head: int, limit: int) -> tuple[list[int], bool]:
    """The numbers, rising, of the newest event of each entity in after < seq ≤ head, and whether `limit` cut some off;
    the newest are kept. The last one is `head`, unless nothing follows `after`.

    Costs about as much as the answer is long, not as the stream is: a stream has either few entities, which are looked
    up one by one, or many, of which the last events show enough. Only where few of many entities make all of the last
    events is the whole stream read.
    """
    seqs = _newest_since(stream_id, max(after, head - _LAST_EVENTS * limit), head, limit)
    if len(seqs) <= limit and after < head - _LAST_EVENTS * limit:
        newest = _newest_of_few(stream_id, head, limit)
        if len(newest) <= limit:
            seqs = [seq for seq in newest if seq > after]
        else:
            seqs = _newest_since(stream_id, after, head, limit)
    seqs.sort(reverse=True)
    return sorted(seqs[:limit]), len(seqs) > limit


_LAST_EVENTS = 5  # for each entity that is wanted; an execution has about as many


def _newest_since(stream_id: int, after: int, head: int, limit: int) -> list[int]:
    """The newest event of each entity in after < seq ≤ head, at most `limit` + 1 of them: the newest."""
    return list(
        StreamEvent.objects.using(database())
        .filter(stream_id=stream_id, seq__gt=after, seq__lte=head)
        .values("entity")
        .annotate(newest=Max(F("seq")))
        .order_by("-newest")
        .values_list("newest", flat=True)[: limit + 1]
    )


_FEW = """
    WITH RECURSIVE found (entity) AS (
        SELECT min(entity) FROM realtime_streamevent WHERE stream_id = %(stream)s AND seq <= %(head)s
        UNION ALL
        SELECT (
            SELECT min(next.entity) FROM realtime_streamevent next
            WHERE next.stream_id = %(stream)s AND next.entity > found.entity AND next.seq <= %(head)s
        )
        FROM found WHERE found.entity IS NOT NULL
    )
    SELECT (
        SELECT max(own.seq) FROM realtime_streamevent own
        WHERE own.stream_id = %(stream)s AND own.entity = found.entity AND own.seq <= %(head)s
    )
    FROM found WHERE found.entity IS NOT NULL LIMIT %(most)s
"""


def _newest_of_few(stream_id: int, head: int, limit: int) -> list[int]:
    """The newest event of each entity, from one entity to the next in the index; of `limit` + 1 entities at most."""
    with connections[database()].cursor() as cursor:
        cursor.execute(_FEW, {"stream": stream_id, "head": head, "most": limit + 1})
        return [seq for (seq,) in cursor.fetchall()]
