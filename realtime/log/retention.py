"""How events leave the log: `prune` removes old events of a stream, `remove` removes an ended stream."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from realtime.log.store import create_streams, database, find_ended, lock_streams
from realtime.log.types import END
from realtime.models import Stream, StreamEvent
from realtime.wire.methods import ENTITY_IS_OVER, WSMethod


def prune(stream_id: int, older_than: datetime) -> int:
    """Removes the stream's events from before `older_than`, except the newest one of each entity, and raises the floor.
    The newest event goes, too, where it says that its entity is over: a notification was read or deleted, an execution
    was deleted. Returns how many events it removed.

    Pruning ends before the first event that is not old: an old event after it (clocks differ) stays.
    """
    return sum(prune_in_batches(stream_id, older_than))


def prune_in_batches(stream_id: int, older_than: datetime, *, is_dry_run: bool = False) -> Iterator[int]:
    """Does what `prune` does, from the oldest event on. Yields after each batch how many events it removed. A batch is
    one transaction, which also raises the floor, so the caller may stop after any batch: the stream is consistent.
    A dry run changes nothing and counts the events that would be removed."""
    key = Stream.objects.using(database()).filter(pk=stream_id).values_list("key", flat=True).first()
    after = 0 if key else None
    while after is not None and key:
        count, after = (_count_batch if is_dry_run else _prune_batch)(stream_id, key, after, older_than)
        yield count


def streams_with_old_events(older_than: datetime) -> QuerySet[Stream]:
    """The streams whose first event above the floor is old, which `prune` would shorten, in the order of their ids.
    Costs one index look-up for each stream, independent of its length."""
    first = StreamEvent.objects.using(database()).filter(
        stream=OuterRef("pk"), seq=OuterRef("floor") + 1, created_at__lt=older_than
    )
    return Stream.objects.using(database()).filter(Exists(first), head__gt=F("floor")).order_by("pk")


def oldest_events(after_id: int, limit: int) -> list[tuple[int, str, datetime | None]]:
    """The next `limit` streams with an id above `after_id`: id, key, and the time of the first event above the floor.
    Costs one index look-up for each stream, independent of its length."""
    first = StreamEvent.objects.using(database()).filter(stream=OuterRef("pk"), seq=OuterRef("floor") + 1)
    page = Stream.objects.using(database()).filter(pk__gt=after_id).order_by("pk")
    return list(page.values_list("pk", "key", Subquery(first.values("created_at")[:1]))[:limit])


_BATCH_SIZE = 500  # events that one transaction reads; some builds of SQLite allow 999 parameters


def _prune_batch(stream_id: int, key: str, after: int, older_than: datetime) -> tuple[int, int | None]:
    """Removes the prunable events of the batch that follows `after`. Returns how many it removed, and after which
    number the next batch begins, or None after the last batch."""
    using = database()
    # Read before the locks are taken, which is safe: references to an event are committed together with it.
    batch = _batch(stream_id, after)
    if not batch:
        return 0, None
    keys = _keys_to_lock(key, StreamEvent.objects.using(using).filter(pk__in=[pk for pk, _ in batch]))
    with transaction.atomic(using):
        stream = _lock(stream_id, keys)
        if stream is None:
            return 0, None
        upto, is_last = _prunable_range(stream, after, batch[-1][1], older_than)
        count = _delete(using, _prunable(stream, after, upto))
        _raise_floor(stream, upto)
    return count, None if is_last or len(batch) < _BATCH_SIZE else upto


def _count_batch(stream_id: int, key: str, after: int, older_than: datetime) -> tuple[int, int | None]:
    """Returns what `_prune_batch` would return, and changes nothing."""
    stream = Stream.objects.using(database()).filter(pk=stream_id).first()
    batch = _batch(stream_id, after)
    if stream is None or not batch:
        return 0, None
    upto, is_last = _prunable_range(stream, after, batch[-1][1], older_than)
    return _prunable(stream, after, upto).count(), None if is_last or len(batch) < _BATCH_SIZE else upto


def _batch(stream_id: int, after: int) -> list[tuple[int, int]]:
    """The ids and numbers of the first events that follow `after`, at most _BATCH_SIZE."""
    events = StreamEvent.objects.using(database()).filter(stream=stream_id, seq__gt=after)
    return [(pk, seq) for pk, seq in events.order_by("seq").values_list("pk", "seq")[:_BATCH_SIZE] if seq is not None]


def _prunable_range(stream: Stream, after: int, last: int, older_than: datetime) -> tuple[int, bool]:
    """The end of the range in after < seq ≤ last that may be pruned, and whether an event that is not old ends it."""
    recent = StreamEvent.objects.using(database()).filter(
        stream=stream, seq__gt=max(after, stream.floor), seq__lte=last, created_at__gte=older_than
    )
    first_to_keep = recent.order_by("seq").values_list("seq", flat=True).first()
    return (last, False) if first_to_keep is None else (first_to_keep - 1, True)


def _prunable(stream: Stream, after: int, upto: int) -> QuerySet[StreamEvent]:
    """The events in after < seq ≤ upto that pruning removes. The event at the head stays: snapshots end with it."""
    events = StreamEvent.objects.using(database()).filter(stream=stream)
    newer_of_entity = events.filter(entity=OuterRef("entity"), seq__gt=OuterRef("seq"))
    is_over = Q(method__in=ENTITY_IS_OVER) | _is_marked_as_read()
    return events.filter(Exists(newer_of_entity) | is_over, seq__gt=after, seq__lte=upto).exclude(seq=stream.head)


def _is_marked_as_read() -> Q:
    """Events that mark a notification as read. Events of the same method that mark it as unread again stay."""
    # How the log writes JSON. It is the last field: an unread notification follows it, which may hold the same words.
    is_true = Q(data__endswith='"read":true}')
    original = StreamEvent.objects.using(database()).filter(is_true, pk=OuterRef("data_of"))
    return Q(method=WSMethod.NOTIFICATION_READ) & (is_true | Q(Exists(original)))


def remove(key: str) -> bool:
    """Removes a stream that has been ended, with its events. Events that were recorded after the end marker begin a new
    stream. Returns whether it removed the stream: False if there is nothing to remove, or if another transaction has
    locked one of the streams.

    A long stream is removed in batches, and its head with the last batch. The end marker stays until then: if this is
    interrupted, the next call continues.
    """
    using = database()
    if not find_ended([key]):
        return False
    stream_id = Stream.objects.using(using).filter(key=key).values_list("pk", flat=True).first()
    if stream_id is None:
        return False
    after = 0
    while len(batch := _batch(stream_id, after)) == _BATCH_SIZE:
        if not _remove_batch(stream_id, key, batch):
            return False
        after = batch[-1][1]
    own = StreamEvent.objects.using(using).filter(Q(stream=stream_id) | Q(key=key, seq__isnull=True))
    keys = _keys_to_lock(key, own)
    with transaction.atomic(using):
        stream, end = _lock_or_leave(stream_id, keys), _find_end_marker(key)
        if stream is None or end is None:  # locked, or removed by another process
            return False
        _delete(using, own.filter(id__lte=end))
        own.filter(stream=stream).update(stream=None, seq=None, key=key)
        stream.delete()
        return True


def _remove_batch(stream_id: int, key: str, batch: Sequence[tuple[int, int]]) -> bool:
    """Removes the events of a batch, except the one at the head. Returns False where the stream is removed already, or
    locked."""
    using = database()
    events = StreamEvent.objects.using(using).filter(pk__in=[pk for pk, _ in batch])
    keys = _keys_to_lock(key, events)
    with transaction.atomic(using):
        stream, end = _lock_or_leave(stream_id, keys), _find_end_marker(key)
        if stream is None or end is None:
            return False
        _delete(using, events.filter(id__lte=end).exclude(seq=stream.head))
        _raise_floor(stream, batch[-1][1])
        return True


def _lock(stream_id: int, keys: Iterable[str]) -> Stream | None:
    """Locks the streams with these keys, and returns the one with this id."""
    return next((stream for stream in lock_streams(keys) if stream.pk == stream_id), None)


def _lock_or_leave(stream_id: int, keys: set[str]) -> Stream | None:
    """`_lock` without waiting. None, too, if another transaction has locked one of the streams."""
    streams = lock_streams(keys, skip_locked=True)
    return next((each for each in streams if each.pk == stream_id), None) if len(streams) == len(keys) else None


def _raise_floor(stream: Stream, floor: int) -> None:
    if floor > stream.floor:
        Stream.objects.using(database()).filter(pk=stream.pk).update(floor=floor)


def _find_end_marker(key: str) -> int | None:
    """The id of the newest end marker of the stream."""
    markers = StreamEvent.objects.using(database()).filter(key=key, seq__isnull=True, method=END)
    return markers.order_by("-id").values_list("id", flat=True).first()


def _keys_to_lock(key: str, events: QuerySet[StreamEvent]) -> set[str]:
    """The keys of the streams that must be locked to delete these events: their own, and those whose events refer to
    the data of these events and will get a copy. Creates the streams that do not exist yet, so that they can be
    locked."""
    references = StreamEvent.objects.using(database()).filter(data_of__in=events)
    others = {own_key or stream_key for own_key, stream_key in references.values_list("key", "stream__key").distinct()}
    create_streams(others)
    return {key, *others}


def _delete(using: str, selected: QuerySet[StreamEvent]) -> int:
    """Deletes events of one stream. Events of other streams that refer to their data get a copy of it first."""
    ids = list(selected.values_list("id", flat=True))
    events = StreamEvent.objects.using(using)
    for start in range(0, len(ids), _BATCH_SIZE):
        chunk = ids[start : start + _BATCH_SIZE]
        references = events.filter(data_of__in=chunk)
        references.update(data=Subquery(events.filter(pk=OuterRef("data_of_id")).values("data")[:1]), data_of=None)
        events.filter(pk__in=chunk)._raw_delete(using)
    return len(ids)
