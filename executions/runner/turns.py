"""Round robin between users: whose turn it is to take a slot. Pure: no threads, no clock.

One user with a thousand tasks and another with one task take turns. A user holds at most `limit` slots at a time. The
place that owns the slots has more than `limit` of them, so one user never holds all.
"""

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

U = TypeVar("U", bound=Hashable)


class Turns(Generic[U]):
    """Not thread-safe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: Counter[U] = Counter()  # slots
        self._line: dict[U, None] = {}  # those who wait, in the order in which they came or had their last turn

    def order(self, waiting: Iterable[U]) -> list[U]:
        """Those of `waiting` who may take a slot, the next one first: who holds the fewest, then who waits longest."""
        present = dict.fromkeys(waiting)
        self._line = dict.fromkeys([*(user for user in self._line if user in present), *present])
        allowed = [user for user in self._line if self._held[user] < self._limit]
        return sorted(allowed, key=lambda user: self._held[user])

    def take(self, user: U) -> None:
        """The user takes a slot, and waits behind the others for the next one."""
        self._held[user] += 1
        self._line.pop(user, None)

    def release(self, user: U) -> None:
        self._held[user] -= 1
        if not self._held[user]:
            del self._held[user]
