"""Where a subscription starts: at the head, after a cursor, or with a snapshot. A replay is never partial: if it cannot
be complete, it is refused (`recovered` is False), and a snapshot is sent instead. Pure: no Django, no I/O."""

from typing import NamedTuple, Protocol

from realtime.wire.requests import Replay, Subscribe


class Position(Protocol):
    @property
    def epoch(self) -> str: ...
    @property
    def head(self) -> int: ...
    @property
    def floor(self) -> int: ...


class FromCursor(NamedTuple):
    """Every event after `cursor`."""

    cursor: int
    recovered: bool = True


class FromSnapshot(NamedTuple):
    """The newest event of each entity, of the events after `after`; then every event after the head."""

    after: int
    recovered: bool


def start_position(options: Subscribe, stream: Position) -> FromCursor | FromSnapshot:
    """Where a subscribe with these options starts in a stream at this position."""
    if options.replay == Replay.NONE or (options.after is None and options.replay is None):
        return FromCursor(stream.head)
    after = options.after or 0
    is_other_history = options.epoch is not None and options.epoch != stream.epoch
    is_latest = options.replay == Replay.LATEST
    is_cursor_given = options.after is not None or not is_latest
    if is_other_history or (is_cursor_given and not stream.floor <= after <= stream.head):
        return FromSnapshot(0, recovered=False)
    if is_latest:
        return FromSnapshot(after, recovered=True)
    return FromCursor(after)
