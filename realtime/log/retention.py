"""How long the log keeps what it holds: `prune` by age, `remove` wholly."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from realtime.log.store import database, ended, lock, make
from realtime.log.types import END
from realtime.models import Stream, StreamEvent
from realtime.wire.methods import ENTITY_IS_OVER, WSMethod


def prune(stream_id: int, older_than: datetime) -> int:
    """Removes the stream's events from before `older_than`, but for the newest of each entity, and raises the floor.
    What is over goes wholly: notifications that have been read or deleted, deleted executions. Returns how many events
    went.

    Only a whole beginning of the stream goes: an old event behind a younger one (clocks differ) stays.
    """
    return sum(prune_in_batches(stream_id, older_than))


def prune_in_batches(stream_id: int, older_than: datetime, *, is_rehearsal: bool = False) -> Iterator[int]:
    """Does what `prune` does, from the oldest event on, and says after each batch how many events it took. A batch is
    one transaction, which raises the floor, too; so whoever stops in between leaves a stream that keeps its promises.
    A rehearsal changes nothing and counts what would go."""
    key = Stream.objects.using(database()).filter(pk=stream_id).values_list("key", flat=True).first()
    after = 0 if key else None
    while after is not None and key:
        gone, after = (_rehearse if is_rehearsal else _prune_batch)(stream_id, key, after, older_than)
        yield gone


def streams_with_old_events(older_than: datetime) -> QuerySet[Stream]:
    """Those that `prune` would shorten, in the order of their ids: the first event above the floor is old. One look
    into an index for each stream, however many events it has."""
    first = StreamEvent.objects.using(database()).filter(
        stream=OuterRef("pk"), seq=OuterRef("floor") + 1, created_at__lt=older_than
    )
    return Stream.objects.using(database()).filter(Exists(first), head__gt=F("floor")).order_by("pk")


_BATCH = 500  # events that a transaction looks at; a SQLite of old takes 999 parameters


def _prune_batch(stream_id: int, key: str, after: int, older_than: datetime) -> tuple[int, int | None]:
    """How many events of the batch that follows `after` went, and where the next batch begins; None where none does."""
    using = database()
    # Looked up before the locks are taken: what refers to an event was committed with it.
    batch = _batch(stream_id, after)
    if not batch:
        return 0, None
    keys = _keys_to_lock(key, StreamEvent.objects.using(using).filter(pk__in=[pk for pk, _ in batch]))
    with transaction.atomic(using):
        stream = _locked(stream_id, keys)
        if stream is None:
            return 0, None
        upto, is_last = _extent(stream, after, batch[-1][1], older_than)
        gone = _delete(using, _doomed(stream, after, upto))
        _raise_floor(stream, upto)
    return gone, None if is_last or len(batch) < _BATCH else upto


def _rehearse(stream_id: int, key: str, after: int, older_than: datetime) -> tuple[int, int | None]:
    stream = Stream.objects.using(database()).filter(pk=stream_id).first()
    batch = _batch(stream_id, after)
    if stream is None or not batch:
        return 0, None
    upto, is_last = _extent(stream, after, batch[-1][1], older_than)
    return _doomed(stream, after, upto).count(), None if is_last or len(batch) < _BATCH else upto


def _batch(stream_id: int, after: int) -> list[tuple[int, int]]:
    """The ids and numbers of the events that follow `after`."""
    events = StreamEvent.objects.using(database()).filter(stream=stream_id, seq__gt=after)
    return [(pk, seq) for pk, seq in events.order_by("seq").values_list("pk", "seq")[:_BATCH] if seq is not None]


def _extent(stream: Stream, after: int, last: int, older_than: datetime) -> tuple[int, bool]:
    """The last number of after < seq ≤ last that may go, and whether a young event stands behind it."""
    young = StreamEvent.objects.using(database()).filter(
        stream=stream, seq__gt=max(after, stream.floor), seq__lte=last, created_at__gte=older_than
    )
    first_to_keep = young.order_by("seq").values_list("seq", flat=True).first()
    return (last, False) if first_to_keep is None else (first_to_keep - 1, True)


def _doomed(stream: Stream, after: int, upto: int) -> QuerySet[StreamEvent]:
    """What goes of after < seq ≤ upto. The event at the head stays, since every snapshot ends with it."""
    events = StreamEvent.objects.using(database()).filter(stream=stream)
    newer_of_entity = events.filter(entity=OuterRef("entity"), seq__gt=OuterRef("seq"))
    is_over = Q(method__in=ENTITY_IS_OVER) | _says_that_it_was_read()
    return events.filter(Exists(newer_of_entity) | is_over, seq__gt=after, seq__lte=upto).exclude(seq=stream.head)


def _says_that_it_was_read() -> Q:
    """Such an event may also say that a notification is unread again, and then it stays."""
    says_true = Q(data__contains='"read":true')  # as the log writes JSON; within a string the quotes are escaped
    data_of = StreamEvent.objects.using(database()).filter(says_true, pk=OuterRef("data_of"))
    return Q(method=WSMethod.NOTIFICATION_READ) & (says_true | Q(Exists(data_of)))


def remove(key: str) -> bool:
    """Removes a stream that has been ended, with all its events; those recorded after its end begin a new one. Returns
    whether there was an end to carry out.

    A long stream goes in batches, its head with the last one. Its end stays until then, so where this is stopped
    halfway, the next one who carries out the end goes on.
    """
    using = database()
    if not ended([key]):
        return False
    stream_id = Stream.objects.using(using).filter(key=key).values_list("pk", flat=True).first()
    if stream_id is None:
        return False
    after = 0
    while len(batch := _batch(stream_id, after)) == _BATCH:
        if not _remove_batch(stream_id, key, batch):
            return False
        after = batch[-1][1]
    own = StreamEvent.objects.using(using).filter(Q(stream=stream_id) | Q(key=key, seq__isnull=True))
    keys = _keys_to_lock(key, own)
    with transaction.atomic(using):
        stream, end = _locked(stream_id, keys), _end(key)
        if stream is None or end is None:  # another process was faster
            return False
        _delete(using, own.filter(id__lte=end))
        own.filter(stream=stream).update(stream=None, seq=None, key=key)
        stream.delete()
        return True


def _remove_batch(stream_id: int, key: str, batch: Sequence[tuple[int, int]]) -> bool:
    """Whether the stream was still there, and still to be removed."""
    using = database()
    events = StreamEvent.objects.using(using).filter(pk__in=[pk for pk, _ in batch])
    keys = _keys_to_lock(key, events)
    with transaction.atomic(using):
        stream, end = _locked(stream_id, keys), _end(key)
        if stream is None or end is None:
            return False
        _delete(using, events.filter(id__lte=end).exclude(seq=stream.head))
        _raise_floor(stream, batch[-1][1])
        return True


def _locked(stream_id: int, keys: Iterable[str]) -> Stream | None:
    return next((each for each in lock(keys) if each.pk == stream_id), None)


def _raise_floor(stream: Stream, floor: int) -> None:
    if floor > stream.floor:
        Stream.objects.using(database()).filter(pk=stream.pk).update(floor=floor)


def _end(key: str) -> int | None:
    """The id of the newest marker that ends the stream."""
    markers = StreamEvent.objects.using(database()).filter(key=key, seq__isnull=True, method=END)
    return markers.order_by("-id").values_list("id", flat=True).first()


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
