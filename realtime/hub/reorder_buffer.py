"""The events of one stream, put in order. Announcements arrive in any order, twice, or never.

Pure: no Django, no I/O.
"""

from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar


class HasSeq(Protocol):
    @property
    def seq(self) -> int: ...


E = TypeVar("E", bound=HasSeq)

_MAX_EARLY = 1_000  # events kept while an earlier one is missing; those beyond are read from the log


class ReorderBuffer(Generic[E]):
    """`position` is the number of the last event that was returned in order. `known` is the highest number that exists,
    as far as announcements and reads have said."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.known = position
        self._early: dict[int, E] = {}  # by seq

    @property
    def has_gap(self) -> bool:
        """Whether an event is known to exist that was not returned."""
        return self.known > self.position

    def receive(self, events: Iterable[E]) -> list[E]:
        """Takes events as they arrive, and returns the next ones in order: contiguous from position + 1."""
        in_order: list[E] = []
        for event in events:
            self.note_exists(event.seq)
            if event.seq == self.position + 1:
                self._next(event, in_order)
            elif event.seq > self.position and len(self._early) < _MAX_EARLY:
                self._early[event.seq] = event
        return in_order

    def _next(self, event: E, in_order: list[E]) -> None:
        follower: E | None = event
        while follower is not None:
            self.position += 1
            in_order.append(follower)
            follower = self._early.pop(self.position + 1, None)

    def note_exists(self, seq: int) -> None:
        """An event with this number exists."""
        self.known = max(self.known, seq)

    def skip_to(self, position: int) -> None:
        """Continues after `position`. The events up to there must be read from the log."""
        self.position = position
        self.known = max(self.known, position)
        self._early = {seq: event for seq, event in self._early.items() if seq > position}
