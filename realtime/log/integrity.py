"""Checks that the log is complete. It only reads, and may run beside writers: one statement checks a stream, so its
head, its floor and its events are of one snapshot.

Above the floor no event may be missing. Below the floor the check cannot tell whether the newest event of an entity is
missing or never existed.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import NamedTuple

from django.db import connections
from django.db.models import Count, Exists, Max, Min, OuterRef
from django.utils import timezone

from realtime.conf import limits
from realtime.log.store import database
from realtime.models import Stream, StreamEvent

OVERDUE = timedelta(seconds=30)  # age of an event that should have a number; the sweep numbers within seconds
_BATCH_SIZE = 200  # streams of one statement


class Fault(NamedTuple):
    """What is wrong with one stream, and what to do. Both texts are parts of a sentence, without a full stop."""

    key: str
    description: str
    remedy: str


FIND_OUT = "find out what changed the tables, and restore its rows from a backup"
NUMBER = "start a server process, whose sweep numbers them, and look into its log for numbering_failed"

_SUMMARY = """
    SELECT s.id, s.key, s.head, s.floor,
        count(CASE WHEN e.seq > s.floor AND e.seq <= s.head THEN 1 END),
        min(e.seq), max(e.seq),
        count(CASE WHEN e.seq IS NULL OR e.key <> '' THEN e.id END),
        count(CASE WHEN e.data_of_id IS NULL AND e.data IS NULL OR e.data_of_id IS NOT NULL AND d.data IS NULL
              THEN e.id END)
    FROM realtime_stream s
    LEFT JOIN realtime_streamevent e ON e.stream_id = s.id
    LEFT JOIN realtime_streamevent d ON d.id = e.data_of_id
    WHERE s.id IN ({ids})
    GROUP BY s.id, s.key, s.head, s.floor
    ORDER BY s.id
"""


def inspect_streams(keys: Sequence[str] = ()) -> Iterator[tuple[int, list[Fault]]]:
    """Checks all streams, or those with these keys. Yields for each batch the number of its streams, and their
    faults."""
    streams = Stream.objects.using(database()).order_by("pk")
    if keys:
        streams = streams.filter(key__in=keys)
    last_id = 0
    while ids := list(streams.filter(pk__gt=last_id).values_list("pk", flat=True)[:_BATCH_SIZE]):
        yield len(ids), [fault for row in _summarise(ids) for fault in _find_faults(*row)]
        last_id = ids[-1]


def _summarise(ids: Sequence[int]) -> list[tuple[int, str, int, int, int, int | None, int | None, int, int]]:
    with connections[database()].cursor() as cursor:
        cursor.execute(_SUMMARY.format(ids=", ".join(["%s"] * len(ids))), ids)
        return cursor.fetchall()  # type: ignore[no-any-return]


def _find_faults(
    id: int,
    key: str,
    head: int,
    floor: int,
    count: int,  # of its events from above the floor to the head
    first: int | None,
    last: int | None,
    half_numbered: int,
    empty: int,
) -> Iterator[Fault]:
    gaps = []
    if not 0 <= floor <= head:
        gaps.append(f"its floor is {floor:,} and its head {head:,}")
    elif count != head - floor:
        gaps.append(f"{head - floor - count:,} of its events {floor + 1:,} to {head:,} are missing")
    if (last or 0) > head:
        gaps.append(f"it has an event {last:,}, above its head {head:,}")
    elif head and last != head:
        gaps.append(f"the event at its head, {head:,}, is missing")
    if gaps:
        yield Fault(key, "; ".join(gaps), _renumber(id, key, floor, head, last or 0))
    if first is not None and first < 1:
        yield Fault(key, f"it has an event {first:,}; numbers begin with 1", FIND_OUT)
    if half_numbered:
        yield Fault(key, f"{half_numbered:,} of its events are half numbered", FIND_OUT)
    if empty:
        yield Fault(key, f"{empty:,} of its events have no data", _delete_empty(id))


def _renumber(id: int, key: str, floor: int, head: int, last: int) -> str:
    """How to give up the missing events: the stream then begins after its last gap and ends with its last event. Its
    new epoch makes clients read it from the beginning."""
    events = StreamEvent.objects.using(database()).filter(stream=id)
    predecessor = events.filter(seq=OuterRef("seq") - 1)
    first_after_gap = events.filter(~Exists(predecessor), seq__gt=floor + 1).aggregate(seq=Max("seq"))["seq"]
    new_floor = first_after_gap - 1 if first_after_gap else min(max(floor, 0), last)
    # The floor may be raised beside writers. The head may not be changed beside them: they would use its numbers again.
    new_head, when = (f"head = {last}, ", "while no server and no worker runs, ") if head != last else ("", "")
    sql = f"UPDATE realtime_stream SET {new_head}floor = {new_floor} WHERE id = {id};"  # noqa: S608 - numbers
    return f"{FIND_OUT}; or give them up: {when}`{sql}` and then `manage.py new_epochs '{key}'`"


def _delete_empty(id: int) -> str:
    sql = (
        f"DELETE FROM realtime_streamevent WHERE stream_id = {id} AND data IS NULL AND NOT EXISTS "  # noqa: S608 - a number
        "(SELECT 1 FROM realtime_streamevent d WHERE d.id = realtime_streamevent.data_of_id AND d.data IS NOT NULL);"
    )
    return f"{FIND_OUT}; or give them up: `{sql}` and then run check_streams again, which says what is left to do"


def find_overdue(keys: Sequence[str] = ()) -> list[Fault]:
    """The streams whose events stay without a number. If old events have none, it waits for the time of two sweeps and
    reads again, because a long transaction may have committed them a moment ago."""
    before = _overdue_by_key(keys)
    if not before:
        return []
    time.sleep(2 * limits.SWEEP_INTERVAL)
    after = _overdue_by_key(keys)
    return [
        Fault(key, f"{count:,} of its events have no number", NUMBER)
        for key, (count, oldest_id) in after.items()
        if key in before and before[key][1] == oldest_id
    ]


def _overdue_by_key(keys: Sequence[str]) -> dict[str, tuple[int, int]]:
    """For each stream with overdue events: their count, and the id of the oldest."""
    events = StreamEvent.objects.using(database()).filter(seq__isnull=True, created_at__lt=timezone.now() - OVERDUE)
    if keys:
        events = events.filter(key__in=keys)
    return {key: (count, id) for key, count, id in events.values_list("key").annotate(Count("pk"), Min("pk"))}
