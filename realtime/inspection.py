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
from django.db.models import Count, Min
from django.utils import timezone

from realtime.conf import limits
from realtime.log import database
from realtime.models import Stream, StreamEvent

OVERDUE = timedelta(seconds=30)  # since it was recorded; the sweep numbers within seconds
_BATCH = 200  # streams of one statement


class Fault(NamedTuple):
    """What is wrong with one stream, and what to do."""

    key: str
    what: str
    cure: str


RENEW = "run `manage.py new_epochs`, so that every client gets a snapshot; find out what changed the tables"
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
    if not 0 <= floor <= head:
        yield Fault(key, f"its floor is {floor:,} and its head {head:,}", RENEW)
    elif kept != head - floor:
        yield Fault(key, f"{head - floor - kept:,} of its events {floor + 1:,} to {head:,} are missing", RENEW)
    if (last or 0) > head:
        yield Fault(key, f"it has an event {last:,}, above its head {head:,}", RENEW)
    elif head and last != head:
        yield Fault(key, f"the event at its head, {head:,}, is missing", RENEW)
    if first is not None and first < 1:
        yield Fault(key, f"it has an event {first:,}; numbers begin with 1", RENEW)
    if odd:
        yield Fault(key, f"{odd:,} of its events are half numbered", RENEW)
    if empty:
        yield Fault(key, f"{empty:,} of its events have no data", RENEW)


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
