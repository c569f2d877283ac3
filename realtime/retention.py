"""How long the log keeps what it holds: `prune` by age, `remove` wholly."""

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from realtime.log import END, database, ended, lock, make
from realtime.messages import ADDED_EVENTS
from realtime.models import Stream, StreamEvent


def prune(stream_id: int, older_than: datetime) -> int:
    """Removes the stream's events from before `older_than`, but for the newest of each entity, and raises the floor in
    the same transaction. What is over goes wholly: notifications that have been read or deleted, deleted executions.
    Returns how many events went.

    Only a whole beginning of the stream goes: an old event behind a younger one (clocks differ) stays.
    """
    using = database()
    events = StreamEvent.objects.using(using).filter(stream=stream_id)
    key = Stream.objects.using(using).filter(pk=stream_id).values_list("key", flat=True).first()
    if key is None:
        return 0
    keys = _keys_to_lock(key, events.filter(created_at__lt=older_than))
    with transaction.atomic(using):
        stream = next((each for each in lock(keys) if each.pk == stream_id), None)
        if stream is None:
            return 0
        oldest_to_keep = events.filter(created_at__gte=older_than, seq__gt=stream.floor).order_by("seq").first()
        floor = oldest_to_keep.seq - 1 if oldest_to_keep and oldest_to_keep.seq else stream.head
        newer_of_entity = StreamEvent.objects.using(using).filter(
            stream=stream, entity=OuterRef("entity"), seq__gt=OuterRef("seq")
        )
        is_over = Q(method__in=ADDED_EVENTS)  # each of them says so of its entity
        # The event at the head stays, since every snapshot ends with it.
        doomed = events.filter(Exists(newer_of_entity) | is_over, seq__lte=floor).exclude(seq=stream.head)
        gone = _delete(using, doomed)
        Stream.objects.using(using).filter(pk=stream_id).update(floor=floor)
        return gone


def remove(key: str) -> bool:
    """Removes a stream that has been ended, with all its events; those recorded after its end begin a new one. Returns
    whether there was an end to carry out."""
    using = database()
    if not ended([key]):
        return False
    stream_id = Stream.objects.using(using).filter(key=key).values_list("pk", flat=True).first()
    own = StreamEvent.objects.using(using).filter(Q(stream=stream_id) | Q(key=key, seq__isnull=True))
    keys = _keys_to_lock(key, own)
    with transaction.atomic(using):
        stream = next((each for each in lock(keys) if each.pk == stream_id), None)
        end = own.filter(seq__isnull=True, method=END).order_by("-id").first()
        if stream is None or end is None:  # another process was faster
            return False
        _delete(using, own.filter(id__lte=end.pk))
        own.filter(stream=stream).update(stream=None, seq=None, key=key)
        stream.delete()
        return True


def _keys_to_lock(key: str, events: QuerySet[StreamEvent]) -> set[str]:
    """The stream's own, and those of the streams whose events refer to the data of these ones and will get a copy;
    the latter exist when this returns, so that they can be locked."""
    heirs = StreamEvent.objects.using(database()).filter(data_of__in=events)
    others = {before or after for before, after in heirs.values_list("key", "stream__key").distinct()}
    make(others)
    return {key, *others}


def _delete(using: str, doomed: QuerySet[StreamEvent]) -> int:
    """Deletes events of one stream; what refers to their data, in other streams, gets a copy of it first."""
    ids = list(doomed.values_list("id", flat=True))
    events = StreamEvent.objects.using(using)
    for start in range(0, len(ids), 500):
        chunk = ids[start : start + 500]
        heirs = events.filter(data_of__in=chunk)
        heirs.update(data=Subquery(events.filter(pk=OuterRef("data_of_id")).values("data")[:1]), data_of=None)
        events.filter(pk__in=chunk)._raw_delete(using)
    return len(ids)
