"""The log's reading side: pages of what follows a cursor, and the newest event of each entity."""

from collections.abc import Sequence
from typing import NamedTuple

from django.db.models import Case, F, FilteredRelation, Max, Q, When
from django.db.models.functions import Coalesce

from realtime.conf import limits
from realtime.log import LogEvent, database
from realtime.models import Stream, StreamEvent


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
    wanted = FilteredRelation("events", condition=Q(events__seq__gt=after, events__seq__lte=after + limits.PAGE_EVENTS))
    inline = Case(
        When(wanted__size__lte=limits.MAX_INLINE_BYTES, then=Coalesce("wanted__data", "wanted__data_of__data"))
    )
    rows = list(
        Stream.objects.using(database())
        .filter(pk=stream_id)
        .annotate(wanted=wanted)
        .order_by("wanted__seq")
        .values_list("epoch", "head", "floor", "wanted__seq", "wanted__method", "wanted__size", inline)
    )
    if not rows:
        return None
    epoch, head, floor = rows[0][:3]
    found = [(seq, method, size, data) for _, _, _, seq, method, size, data in rows if seq is not None]
    return Page(epoch, head, floor, _within_bytes(stream_id, found))


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
    the newest are kept. The last one is `head`, unless nothing follows `after`."""
    newest = (
        StreamEvent.objects.using(database())
        .filter(stream_id=stream_id, seq__lte=head)
        .values("entity")
        .annotate(newest=Max(F("seq")))
        .filter(newest__gt=after)
        .order_by("-newest")
        .values_list("newest", flat=True)[: limit + 1]
    )
    seqs = list(newest)
    return sorted(seqs[:limit]), len(seqs) > limit
