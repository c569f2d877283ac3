"""Does the log keep what it promises? Reads only, beside writers: each look at a stream is one statement, so its head,
its floor and its events are of one snapshot.

What cannot be seen from here: whether an entity's newest event below the floor was there once. Above the floor nothing
may be missing, and that is looked at.
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

OVERDUE = timedelta(seconds=30)  # since it was recorded; the sweep numbers within seconds
_BATCH = 200  # streams of one statement


class Fault(NamedTuple):
    """What is wrong with one stream, and what to do."""

    key: str
    what: str
    cure: str


FIND_OUT = "find out what changed the tables, and restore its rows from a backup"
NUMBER = "start a server process, whose sweep numbers them, and look into its log for numbering_failed"

_LOOK = """
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
    """Looks at all streams, or at those with these keys, and says after each batch how many streams it held, and what
    is wrong with them."""
    streams = Stream.objects.using(database()).order_by("pk")
    if keys:
        streams = streams.filter(key__in=keys)
    last_id = 0
    while ids := list(streams.filter(pk__gt=last_id).values_list("pk", flat=True)[:_BATCH]):
        yield len(ids), [fault for row in _look(ids) for fault in _faults(*row)]
        last_id = ids[-1]


def _look(ids: Sequence[int]) -> list[tuple[int, str, int, int, int, int | None, int | None, int, int]]:
    with connections[database()].cursor() as cursor:
        cursor.execute(_LOOK.format(ids=", ".join(["%s"] * len(ids))), ids)
        return cursor.fetchall()  # type: ignore[no-any-return]


def _faults(
    id: int, key: str, head: int, floor: int, kept: int, first: int | None, last: int | None, odd: int, empty: int
) -> Iterator[Fault]:
    numbers = []
    if not 0 <= floor <= head:
        numbers.append(f"its floor is {floor:,} and its head {head:,}")
    elif kept != head - floor:
        numbers.append(f"{head - floor - kept:,} of its events {floor + 1:,} to {head:,} are missing")
    if (last or 0) > head:
        numbers.append(f"it has an event {last:,}, above its head {head:,}")
    elif head and last != head:
        numbers.append(f"the event at its head, {head:,}, is missing")
    if numbers:
        yield Fault(key, "; ".join(numbers), _renumber(id, key, floor, head, last or 0))
    if first is not None and first < 1:
        yield Fault(key, f"it has an event {first:,}; numbers begin with 1", FIND_OUT)
    if odd:
        yield Fault(key, f"{odd:,} of its events are half numbered", FIND_OUT)
    if empty:
        yield Fault(key, f"{empty:,} of its events have no data", _delete_empty(id))


def _renumber(id: int, key: str, floor: int, head: int, last: int) -> str:
    """What gives up the events that are missing: the stream then begins behind the last hole and ends with its last
    event, and no client believes what it knew of it."""
    events = StreamEvent.objects.using(database()).filter(stream=id)
    predecessor = events.filter(seq=OuterRef("seq") - 1)
    after_hole = events.filter(~Exists(predecessor), seq__gt=floor + 1).aggregate(seq=Max("seq"))["seq"]
    new_floor = after_hole - 1 if after_hole else min(max(floor, 0), last)
    # A floor may rise beside writers. A head that is set may not: they would give its numbers again.
    new_head, when = (f"head = {last}, ", "while no server and no worker runs, ") if head != last else ("", "")
    sql = f"UPDATE realtime_stream SET {new_head}floor = {new_floor} WHERE id = {id};"  # noqa: S608 - numbers
    return f"{FIND_OUT}; or give them up: {when}`{sql}` and then `manage.py new_epochs '{key}'`"


def _delete_empty(id: int) -> str:
    sql = (
        f"DELETE FROM realtime_streamevent WHERE stream_id = {id} AND data IS NULL AND NOT EXISTS "  # noqa: S608 - a number
        "(SELECT 1 FROM realtime_streamevent d WHERE d.id = realtime_streamevent.data_of_id AND d.data IS NOT NULL);"
    )
    return f"{FIND_OUT}; or give them up: `{sql}` and then run check_streams again, which says what is left to do"


def find_unnumbered(keys: Sequence[str] = ()) -> list[Fault]:
    """Streams with events that nobody numbers. Where there are some that look like it, waits for two sweeps and looks
    again: a long transaction may have committed them just now."""
    first = _overdue(keys)
    if not first:
        return []
    time.sleep(2 * limits.SWEEP_INTERVAL)
    again = _overdue(keys)
    return [
        Fault(key, f"{count:,} of its events have no number", NUMBER)
        for key, (count, oldest) in again.items()
        if key in first and first[key][1] == oldest
    ]


def _overdue(keys: Sequence[str]) -> dict[str, tuple[int, int]]:
    """How many events of each stream wait for a number for too long, and the id of the oldest of them."""
    events = StreamEvent.objects.using(database()).filter(seq__isnull=True, created_at__lt=timezone.now() - OVERDUE)
    if keys:
        events = events.filter(key__in=keys)
    return {key: (count, id) for key, count, id in events.values_list("key").annotate(Count("pk"), Min("pk"))}
