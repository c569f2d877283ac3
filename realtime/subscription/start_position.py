"""Where a subscription begins: from now on, after a cursor, or with a snapshot. Never partial: what cannot be repeated
whole is refused (`recovered` False), and the snapshot follows in its place. Pure: no Django, no I/O."""

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
    """Everything after `cursor`."""

    cursor: int
    recovered: bool = True


class FromSnapshot(NamedTuple):
    """The newest event of each entity, of those after `after`; then everything after the head."""

    after: int
    recovered: bool


def beginning(wish: Subscribe, stream: Position) -> FromCursor | FromSnapshot:
    """What a subscribe gets, given where the stream stands."""
    if wish.replay == Replay.NONE or (wish.after is None and wish.replay is None):
        return FromCursor(stream.head)
    after = wish.after or 0
    is_other_history = wish.epoch is not None and wish.epoch != stream.epoch
    is_latest = wish.replay == Replay.LATEST
    is_cursor_given = wish.after is not None or not is_latest
    if is_other_history or (is_cursor_given and not stream.floor <= after <= stream.head):
        return FromSnapshot(0, recovered=False)
    if is_latest:
        return FromSnapshot(after, recovered=True)
    return FromCursor(after)
