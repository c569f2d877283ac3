"""From announcements in any order, doubled or lost, to events in order: what one process knows of one stream.

Pure: no Django, no I/O.
"""

from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar


class HasSeq(Protocol):
    @property
    def seq(self) -> int: ...


E = TypeVar("E", bound=HasSeq)

_MOST_AHEAD = 1_000  # events kept while their predecessors are missing; what is dropped is read from the log


class ReorderBuffer(Generic[E]):
    """`position` is the number of the last event that was handed on, `known` the highest one heard of."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.known = position
        self._ahead: dict[int, E] = {}

    @property
    def has_gap(self) -> bool:
        """Whether something is known to exist that has not been handed on."""
        return self.known > self.position

    def receive(self, events: Iterable[E]) -> list[E]:
        """Takes events as they come, and returns those to be handed on now: contiguous from position + 1."""
        in_order: list[E] = []
        for event in events:
            self.hear_of(event.seq)
            if event.seq == self.position + 1:
                self._next(event, in_order)
            elif event.seq > self.position and len(self._ahead) < _MOST_AHEAD:
                self._ahead[event.seq] = event
        return in_order

    def _next(self, event: E, in_order: list[E]) -> None:
        follower: E | None = event
        while follower is not None:
            self.position += 1
            in_order.append(follower)
            follower = self._ahead.pop(self.position + 1, None)

    def hear_of(self, seq: int) -> None:
        """An event with this number exists."""
        self.known = max(self.known, seq)

    def jump(self, position: int) -> None:
        """Goes on from `position`; who wants what lies before it reads the log."""
        self.position = position
        self.known = max(self.known, position)
        self._ahead = {seq: event for seq, event in self._ahead.items() if seq > position}
