"""What goes into the log, and what comes out of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

END = "stream_ended"
"""The method of the marker that ends a stream. It never gets a number and never reaches a socket."""


class EventTooLarge(ValueError):  # noqa: N818 - the name is public API
    """An event's data is above `REALTIME["MAX_EVENT_BYTES"]`."""


class StreamRef(NamedTuple):
    """Where an event stands: the key of a stream, and the entity that it is about there."""

    key: str
    entity: str


@dataclass(frozen=True, slots=True)
class EventDraft:
    """One event to be recorded, in one stream or more. `data` is JSON text."""

    method: str
    data: str
    refs: tuple[StreamRef, ...]


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


class StreamPosition(NamedTuple):
    """A stream as it stands in the database."""

    id: int
    epoch: str
    head: int
    floor: int
