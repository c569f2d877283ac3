"""The log's reading side: pages of the events after a cursor, and the newest event of each entity."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from django.db import connections
from django.db.models import Case, F, Max, When
from django.db.models.functions import Coalesce

from realtime.conf import limits
from realtime.log.store import database
from realtime.log.types import LogEvent
from realtime.models import StreamEvent
from realtime.wire.methods import WSMethod


class Page(NamedTuple):
    """Events in the order of their numbers, and the stream's position in the same snapshot. A page has at most
    PAGE_EVENTS events and PAGE_BYTES bytes. A first event that is larger than PAGE_BYTES is a page of its own."""

    epoch: str
    head: int
    floor: int
    events: Sequence[LogEvent]
    recorded_at: Mapping[int, float] = MappingProxyType({})  # by number: seconds since 1970, by the writer's clock


def read_after(stream_id: int, after: int) -> Page | None:
    """The events that follow `after`, or None where the stream is gone. One statement, so that epoch, head, floor and
    events are of one snapshot."""
    after = max(0, min(after, _MAX_SEQ))  # a client may send any number
    connection = connections[database()]
    sql = _AFTER.format(recorded_at=_RECORDED_AT[connection.vendor])
    with connection.cursor() as cursor:
        cursor.execute(sql, (limits.MAX_INLINE_BYTES, after, after + limits.PAGE_EVENTS, stream_id))
        rows = cursor.fetchall()
    if not rows:
        return None
    epoch, head, floor = rows[0][:3]
    events = [row[3:8] for row in rows if row[3] is not None]
    recorded_at = {row[3]: row[8] for row in rows if row[3] is not None}
    return Page(epoch, head, floor, _within_page_bytes(stream_id, events), recorded_at)


_MAX_SEQ = 2**62  # no stream grows so long; a page's upper bound still fits the column

# Plain SQL: Django takes four times as long to build this query as PostgreSQL to read a page.
_AFTER = """
    SELECT stream.epoch, stream.head, stream.floor, event.seq, event.method, event.size,
        CASE WHEN event.size <= %s THEN COALESCE(event.data, original.data) END, event.entity, {recorded_at}
    FROM realtime_stream stream
    LEFT JOIN realtime_streamevent event ON event.stream_id = stream.id AND event.seq > %s AND event.seq <= %s
    LEFT JOIN realtime_streamevent original ON original.id = event.data_of_id
    WHERE stream.id = %s ORDER BY event.seq
"""
_RECORDED_AT = {
    "postgresql": "extract(epoch FROM event.created_at)::float8",
    "sqlite": "(julianday(event.created_at) - 2440587.5) * 86400",
}


def read_each(stream_id: int, seqs: Sequence[int]) -> Sequence[LogEvent]:
    """The first events of these numbers, in their order, as many as PAGE_BYTES allows. A pruned event is left out: the
    log has a newer event of its entity."""
    rows = (
        StreamEvent.objects.using(database())
        .filter(stream_id=stream_id, seq__in=seqs)
        .order_by("seq")
        .values_list(
            "seq",
            "method",
            "size",
            Case(When(size__lte=limits.MAX_INLINE_BYTES, then=Coalesce("data", "data_of__data"))),
            "entity",
        )
    )
    return _within_page_bytes(stream_id, list(rows))


def _within_page_bytes(stream_id: int, rows: Sequence[tuple[int, str, int, str | None, str]]) -> Sequence[LogEvent]:
    """Cuts the rows where the sum of their sizes exceeds PAGE_BYTES, and reads the data of the large events left."""
    total, count = 0, 0
    for _, _, size, *_ in rows:
        total += size
        if count and total > limits.PAGE_BYTES:
            break
        count += 1
    rows = rows[:count]
    large = [seq for seq, _, _, data, _ in rows if data is None]
    data_by_seq = dict(
        StreamEvent.objects.using(database())
        .filter(stream_id=stream_id, seq__in=large)
        .values_list("seq", Coalesce("data", "data_of__data"))
        if large
        else ()
    )
    events = []
    for seq, method, _, data, entity in rows:
        text = data if data is not None else data_by_seq.get(seq)
        if text is not None:  # None: pruned between the two statements
            events.append(LogEvent(seq, method, text, entity if method == WSMethod.NOTIFICATION else None))
    return events


def newest_by_entity(stream_id: int, *, after: int, head: int, limit: int) -> tuple[list[int], bool]:
    """The number of the newest event of each entity in after < seq ≤ head, in rising order, and whether there are more
    than `limit`. Then the highest `limit` numbers are returned. The last number is `head`, unless no event follows
    `after`.

    The cost depends on the size of the answer, not on the length of the stream. If the stream has few entities, they
    are read one by one from the index. If it has many, the last events name enough of them. Only if it has many
    entities and few of them made all the last events, the whole stream is read.
    """
    seqs = _newest_since(stream_id, max(after, head - _LAST_EVENTS * limit), head, limit)
    if len(seqs) <= limit and after < head - _LAST_EVENTS * limit:
        newest = _newest_from_index(stream_id, head, limit)
        if len(newest) <= limit:
            seqs = [seq for seq in newest if seq > after]
        else:
            seqs = _newest_since(stream_id, after, head, limit)
    seqs.sort(reverse=True)
    return sorted(seqs[:limit]), len(seqs) > limit


_LAST_EVENTS = 5  # read for each entity of `limit`; an execution has about 5 events


def _newest_since(stream_id: int, after: int, head: int, limit: int) -> list[int]:
    """The newest event of each entity in after < seq ≤ head; the highest `limit` + 1 numbers at most, falling."""
    return list(
        StreamEvent.objects.using(database())
        .filter(stream_id=stream_id, seq__gt=after, seq__lte=head)
        .values("entity")
        .annotate(newest=Max(F("seq")))
        .order_by("-newest")
        .values_list("newest", flat=True)[: limit + 1]
    )


_NEWEST_FROM_INDEX = """
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
    FROM found WHERE found.entity IS NOT NULL LIMIT %(limit)s
"""


def _newest_from_index(stream_id: int, head: int, limit: int) -> list[int]:
    """The newest event of each entity, for `limit` + 1 entities at most. Steps from entity to entity in the index."""
    with connections[database()].cursor() as cursor:
        cursor.execute(_NEWEST_FROM_INDEX, {"stream": stream_id, "head": head, "limit": limit + 1})
        return [seq for (seq,) in cursor.fetchall()]
