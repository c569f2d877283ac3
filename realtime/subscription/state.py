"""One socket's interest in one stream: what it sends next, what it skips, and what it must read from the log.

    offered seq = tail + 1    sent at once, if nothing is before it; else buffered, if there is room; else the buffer is
                              dropped and the log is read later
    offered seq ≤ tail        skipped: sent or buffered already
    offered seq > tail + 1    not kept: the log is read

`tail` is the last number that is sent or buffered, `known` the highest one heard of. As long as known > tail the
subscription is behind, and `wanted` says what to read. So every event is sent once, in order, whatever is offered; and
what can't be had any more is refused openly: `fill` returns False, and once it is told to `lose` what it has, it wants
a snapshot instead. Pure: no Django, no I/O.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar


class Event(Protocol):
    @property
    def seq(self) -> int: ...
    @property
    def size(self) -> int: ...


E = TypeVar("E", bound=Event)


class After(NamedTuple):
    """Read the page that follows this number."""

    seq: int


class Each(NamedTuple):
    """Read the events with these numbers."""

    seqs: Sequence[int]


class Anew(NamedTuple):
    """Read a snapshot: what followed the cursor is gone, or was of another history."""


class Subscription(Generic[E]):
    """Registered first (nothing is sent, `known` is raised), then started from a cursor or with a snapshot.

    `numbered` says whether the client gets numbers. A subclass says how events are sent: `wake` and `send_now`.
    """

    __slots__ = (
        "_buffer",
        "_max_bytes",
        "_max_events",
        "_size",
        "_snapshot",
        "cursor",
        "is_lost",
        "is_started",
        "is_stopped",
        "key",
        "known",
        "numbered",
        "tail",
    )

    def __init__(self, key: str, *, numbered: bool, max_events: int, max_bytes: int) -> None:
        self.key, self.numbered = key, numbered
        self._max_events, self._max_bytes = max_events, max_bytes
        self.is_started = self.is_stopped = self.is_lost = False
        self.cursor = self.tail = self.known = 0
        # Not deques: every socket has these, and an empty deque takes 760 bytes.
        self._snapshot: Sequence[int] = ()
        self._buffer: list[E] = []
        self._size = 0

    def wake(self) -> None:
        """Called when there is something to send or to read."""

    def send_now(self, event: E) -> bool:
        """Called with an event that may be sent, as far as this subscription goes. Returns whether it has been."""
        return False

    def lose(self) -> None:
        """What follows the cursor is gone, or of another history: it takes nothing, and wants a snapshot, until it is
        started again."""
        self.is_lost = True
        self.known = 0
        self._snapshot = ()
        self._buffer.clear()
        self._size = 0
        if self.has_work:
            self.wake()

    def start(self, cursor: int, head: int) -> None:
        """Sends what follows `cursor`; the stream is at `head`."""
        self._restart(cursor, head, ())

    def start_snapshot(self, seqs: Sequence[int], head: int) -> None:
        """Sends the events with these numbers, rising and up to `head`, and then what follows `head`."""
        self._restart(head, head, seqs)

    def _restart(self, cursor: int, head: int, seqs: Sequence[int]) -> None:
        self.cursor = self.tail = cursor
        self.known = max(self.known, head)
        self._snapshot = seqs
        self.is_started, self.is_lost = True, False
        if self.has_work:
            self.wake()

    def stop(self) -> None:
        """Sends nothing more."""
        self.is_stopped = True
        self._snapshot = ()
        self._buffer.clear()

    @property
    def has_work(self) -> bool:
        """Whether there is something to send or to read."""
        if not self.is_started or self.is_stopped:
            return False
        return self.is_lost or bool(self._buffer or self._snapshot or self.known > self.tail)

    @property
    def is_level(self) -> bool:
        """Whether it has had all that it has heard of, so that nothing is before the event that follows."""
        return (
            self.is_started
            and self.tail == self.known
            and not (self._buffer or self._snapshot or self.is_stopped or self.is_lost)
        )

    def pass_to(self, seq: int) -> None:
        """It was level, and has had the events up to this number since."""
        self.cursor = self.tail = self.known = seq

    def offer(self, event: E) -> bool:
        """Takes the stream's next event as it happens. Returns False where it found the buffer full."""
        if event.seq == self.tail + 1 and self.is_level and self.send_now(event):
            self.pass_to(event.seq)
            return True
        self.known = max(self.known, event.seq)
        if not self.is_started or self.is_stopped or self.is_lost or event.seq <= self.tail:
            return True
        fits = True
        if event.seq == self.tail + 1 and not self._snapshot:
            fits = self._fits(event)
            if fits:
                self._append(event)
            else:
                self._drop_buffer()
        self.wake()
        return fits

    def lag(self, head: int) -> None:
        """The stream is at `head`; what leads there has to be read from the log."""
        if head > self.known:
            self.known = head
            if self.has_work:
                self.wake()

    def take(self) -> E | None:
        """The next event to send, which counts as sent from now on."""
        if not self._buffer:
            return None
        event = self._buffer.pop(0)
        self._size -= event.size
        self.cursor = max(self.cursor, event.seq)
        return event

    @property
    def wanted(self) -> After | Each | Anew | None:
        """What to read from the log, now that the buffer is empty."""
        if self.is_stopped or not self.is_started or self._buffer:
            return None
        if self.is_lost:
            return Anew()
        if self._snapshot:
            return Each(self._snapshot[: self._max_events])
        return After(self.tail) if self.known > self.tail else None

    def fill(self, events: Sequence[E]) -> bool:
        """Takes the answer to `After`, as much of it as there is room for. Returns False where it does not go on from
        the tail: what lies between is gone, and only a snapshot can help."""
        tail = self.tail
        for event in events:
            self.known = max(self.known, event.seq)
            if event.seq == self.tail + 1 and self._fits(event):
                self._append(event)
        return self.tail > tail or self.known <= self.tail

    def fill_snapshot(self, asked: Each, events: Sequence[E]) -> None:
        """Takes the answer to `Each`, as much of it as there is room for: a beginning of what was asked, less what has
        been pruned meanwhile."""
        last = asked.seqs[-1]
        for event in events:
            if not self._fits(event):
                break
            self._buffer.append(event)
            self._size += event.size
            last = event.seq
        self._snapshot = self._snapshot[bisect_right(self._snapshot, last) :]

    def _fits(self, event: E) -> bool:
        """Whether there is room; one event always has."""
        return not self._buffer or (len(self._buffer) < self._max_events and self._size + event.size <= self._max_bytes)

    def _append(self, event: E) -> None:
        self._buffer.append(event)
        self._size += event.size
        self.tail = event.seq

    def _drop_buffer(self) -> None:
        # A snapshot's events, which no page brings again, are not above the cursor and stay.
        while self._buffer and self._buffer[-1].seq > self.cursor:
            self._size -= self._buffer.pop().size
        self.tail = self.cursor
