"""What goes into the log, and what comes out of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

END = "stream_ended"
"""The method of the marker that ends a stream. A marker never gets a number and never reaches a socket."""


class EventTooLarge(ValueError):  # noqa: N818 - the name is public API
    """An event's data is larger than `REALTIME["MAX_EVENT_BYTES"]`."""


class StreamRef(NamedTuple):
    """The stream that an event belongs to, and the entity that the event is about in that stream."""

    key: str
    entity: str


@dataclass(frozen=True, slots=True)
class EventDraft:
    """An event that is not recorded yet. It belongs to each stream of `refs`."""

    method: str
    data: str  # JSON text
    refs: tuple[StreamRef, ...]  # one or more, each of another stream


class LogEvent(NamedTuple):
    """A numbered event."""

    seq: int
    method: str
    data: str | None  # JSON text; None where it is larger than MAX_INLINE_BYTES and must be read from the log
    id: str | None = None  # of a notification: its id, which is the entity of the event


class NumberedEvents(NamedTuple):
    """The events of one stream that got their numbers together. They are contiguous and end at the head."""

    key: str
    epoch: str
    events: Sequence[LogEvent]
    committed_at: float | None = None  # seconds since 1970, by the writer's clock; None where it is not known


class StreamPosition(NamedTuple):
    """The row of a stream, as it was when it was read."""

    id: int
    epoch: str
    head: int  # the last number of the stream; 0 where it has no numbered events
    floor: int  # every event above it is in the log
