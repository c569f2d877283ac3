"""The log's writing side: insert in the writer's transaction, number after its commit. `replay.py` reads it,
`retention.py` shortens it.

Why in two steps: a head that is locked inside the writer's transaction makes ordinary code deadlock, since users' code
saves in any order. So an insert locks nothing that another insert could want, and the numbers are given by a short
transaction of its own, which locks the heads of its streams in the order of their keys.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.db import connections, router, transaction
from django.db.models import Exists, OuterRef

from realtime.conf import limits
from realtime.models import ENTITY_LENGTH, KEY_LENGTH, METHOD_LENGTH, Stream, StreamEvent

END = "stream_ended"
"""The method of the marker that ends a stream. It never gets a number and never reaches a socket."""


class EventTooLarge(ValueError):  # noqa: N818 - the name is public API
    """An event's data is above `REALTIME["MAX_EVENT_BYTES"]`."""


class Place(NamedTuple):
    """Where an event stands: the key of a stream, and the entity that it is about there."""

    key: str
    entity: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One event to be recorded, in one stream or more. `data` is JSON text."""

    method: str
    data: str
    places: tuple[Place, ...]


class LogEvent(NamedTuple):
    """An event with its number. `data` is None where it is too large to be handed on with an announcement."""

    seq: int
    method: str
    data: str | None


class Numbered(NamedTuple):
    """What one numbering pass did to one stream; the events are contiguous and end at the head."""

    key: str
    epoch: str
    events: Sequence[LogEvent]


class OpenStream(NamedTuple):
    """A stream as it stands in the database."""

    id: int
    epoch: str
    head: int
    floor: int


def database() -> str:
    """The alias of the database that holds the log."""
    return router.db_for_write(StreamEvent)


def insert(entries: Sequence[Entry]) -> None:
    """Writes the entries, unnumbered, in the current transaction. Takes no lock that another writer could want.

    Raises EventTooLarge, or ValueError for a key, entity or method that its column cannot hold.
    """
    for entry in entries:
        _check(entry)
    using, firsts, others = database(), [], []
    for entry in entries:
        (key, entity), *rest = entry.places
        size = len(entry.data.encode())
        first = StreamEvent(key=key, entity=entity, method=entry.method, data=entry.data, size=size)
        firsts.append(first)
        others += [
            StreamEvent(key=key, entity=entity, method=entry.method, data_of=first, size=size) for key, entity in rest
        ]
    # The second places come after the first ones, since they refer to them. Within a stream the order of the entries
    # holds, because an entry has each stream at the same place.
    StreamEvent.objects.using(using).bulk_create(firsts)
    if others:
        StreamEvent.objects.using(using).bulk_create(others)


def _check(entry: Entry) -> None:
    size = len(entry.data.encode("utf-8", "surrogatepass"))
    if size > limits.MAX_EVENT_BYTES:
        raise EventTooLarge(
            f"An event of {size:,} bytes ({entry.method} of {entry.places[0].entity}) is above "
            f"REALTIME['MAX_EVENT_BYTES'] ({limits.MAX_EVENT_BYTES:,}). Store what is large elsewhere and put a link "
            "into the outputs, or raise the limit."
        )
    for text, longest, shortest in (
        (entry.method, METHOD_LENGTH, 1),
        *((key, KEY_LENGTH, 1) for key, _ in entry.places),
        *((entity, ENTITY_LENGTH, 0) for _, entity in entry.places),
    ):
        # SQLite would keep all of these, and PostgreSQL none.
        if not shortest <= len(text) <= longest or "\0" in text:
            raise ValueError(
                f"{text[:80]!r} cannot be kept: a key has 1 to {KEY_LENGTH} characters, a method 1 to {METHOD_LENGTH}, "
                f"an entity at most {ENTITY_LENGTH}, and none of them has U+0000."
            )
    if len({key for key, _ in entry.places}) < len(entry.places):
        raise ValueError("An event cannot stand twice in one stream.")


def number(keys: Iterable[str]) -> list[Numbered]:
    """Numbers every committed, unnumbered event of these streams in the order of their ids, and raises the heads.
    A stream that does not exist yet is made. In transactions of its own: inside another one, which would keep the heads
    locked, it raises RuntimeError.

    The head is locked before the events are looked at: under READ COMMITTED one statement that did both would take its
    snapshot before the lock, and miss what was committed while it waited.
    """
    using = database()
    wanted, result = set(keys), []
    while wanted:
        with transaction.atomic(using, durable=True):
            for stream in lock(wanted):
                events = _number_pending(using, stream)
                if events:
                    Stream.objects.using(using).filter(pk=stream.pk).update(head=events[-1].seq)
                    result.append(Numbered(stream.key, stream.epoch, events))
                if len(events) < _MOST:
                    wanted.discard(stream.key)
        make(wanted)
    return result


def lock(keys: Iterable[str]) -> list[Stream]:
    """Locks those of the streams that exist until the end of the transaction. In the order of their keys, so that no
    two passes wait for each other; whoever changes numbered events holds the lock of their stream."""
    streams = Stream.objects.using(database()).select_for_update()
    return list(streams.filter(key__in=sorted(set(keys))).order_by("key"))


def make(keys: Iterable[str]) -> None:
    """Makes those of the streams that do not exist. Not while one is locked: who waits here, for another who makes the
    same one, must hold nothing."""
    missing = [Stream(key=key) for key in sorted(set(keys))]
    Stream.objects.using(database()).bulk_create(missing, ignore_conflicts=True)


_MOST = 500  # events of a stream that one transaction numbers, and holds in memory

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
    RETURNING id, seq, method, data_of_id, CASE WHEN size <= %s THEN data END, size
"""


def _number_pending(using: str, stream: Stream) -> list[LogEvent]:
    inline = limits.MAX_INLINE_BYTES
    with connections[using].cursor() as cursor:
        cursor.execute(_NUMBER, [stream.pk, stream.head, stream.key, END, _MOST, inline])
        rows = sorted(cursor.fetchall(), key=lambda row: row[1])
    elsewhere = [data_of for _, _, _, data_of, _, size in rows if data_of and size <= inline]
    data_by_id = dict(StreamEvent.objects.using(using).filter(pk__in=elsewhere).values_list("pk", "data"))
    return [
        LogEvent(seq, method, data_by_id.get(data_of) if data_of else data) for _, seq, method, data_of, data, _ in rows
    ]


def unnumbered(most: int) -> list[str]:
    """The keys of at most `most` streams that have committed events without a number."""
    rows = StreamEvent.objects.using(database()).filter(seq__isnull=True)
    return list(rows.values_list("key", flat=True).distinct().order_by()[:most])


def ended(keys: Iterable[str]) -> list[str]:
    """Those of the keys whose stream has been ended, and not yet removed."""
    markers = StreamEvent.objects.using(database()).filter(key__in=list(keys), seq__isnull=True, method=END)
    return list(markers.values_list("key", flat=True).distinct())


def look_up(key: str) -> tuple[OpenStream | None, bool]:
    """The stream as it stands, None where it does not exist yet; and whether it has events without a number."""
    pending = StreamEvent.objects.filter(key=OuterRef("key"), seq__isnull=True)
    row = (
        Stream.objects.using(database())
        .filter(key=key)
        .values_list("id", "epoch", "head", "floor", Exists(pending))
        .first()
    )
    return (OpenStream(*row[:4]), row[4]) if row else (None, True)


def heads(stream_ids: Sequence[int]) -> list[OpenStream]:
    """The streams with these ids, as they stand; one that is gone is missing. The ids go over as one parameter: for
    10,000 streams that costs a quarter of the CPU that as many placeholders cost."""
    using = database()
    if connections[using].vendor == "postgresql":
        where, ids = "id = ANY(%s)", list(stream_ids)
    else:
        where, ids = "id IN (SELECT value FROM json_each(%s))", str(list(stream_ids))  # type: ignore[assignment]
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT id, epoch, head, floor FROM realtime_stream WHERE {where}", [ids])  # noqa: S608 - constants
        return [OpenStream(*row) for row in cursor.fetchall()]
