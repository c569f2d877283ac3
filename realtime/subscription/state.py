"""One client's position in one stream: what it sends next, what it skips, and what it must read from the log.

    offered seq = tail + 1    is sent at once if nothing is before it. Otherwise it is buffered. If the buffer is full,
                              the buffer is dropped and the log is read later.
    offered seq ≤ tail        is skipped: it is sent or buffered already
    offered seq > tail + 1    is not kept: the log is read

`tail` is the last number that is sent or buffered. `known` is the highest number that is known to exist. While
known > tail the subscription is behind, and `wanted` says what to read. So every event is sent once and in order. A gap
that the log cannot fill is never hidden: `fill` returns False, the caller invalidates the subscription, and the
subscription wants a snapshot.

The states and their moves:

    REGISTERED  → ACTIVE          start, start_snapshot
    ACTIVE      → INVALIDATED     invalidate
    INVALIDATED → ACTIVE          start, start_snapshot
    any         → PAUSED          pause; the other moves are made as well, and take effect with `resume`
    any         → STOPPED         stop; nothing leads out of it

Pure: no Django, no I/O.
"""

from bisect import bisect_right
from collections.abc import Sequence
from enum import Enum
from typing import Final, Generic, NamedTuple, Protocol, TypeVar


class State(Enum):
    REGISTERED = "registered"  # nothing is sent; `known` is raised
    ACTIVE = "active"  # sends
    INVALIDATED = "invalidated"  # sends nothing, and wants a snapshot
    PAUSED = "paused"  # sends nothing; `known` is raised
    STOPPED = "stopped"  # sends nothing more


_ACTIVE: Final = State.ACTIVE  # checked for every frame; a lookup in the class takes longer


class SequencedEvent(Protocol):
    @property
    def seq(self) -> int: ...
    @property
    def size(self) -> int: ...


E = TypeVar("E", bound=SequencedEvent)


class After(NamedTuple):
    """Read the page that follows this number."""

    seq: int


class Each(NamedTuple):
    """Read the events with these numbers."""

    seqs: Sequence[int]


class Anew(NamedTuple):
    """Read a snapshot: what followed the last delivered event is pruned, or is of another history."""


class Subscription(Generic[E]):
    """Registered first, then started from a cursor or with a snapshot.

    `numbered` says whether the client gets numbers. A subclass says how events are sent: `wake` and `send_now`.
    """

    __slots__ = (
        "_buffer",
        "_max_bytes",
        "_max_events",
        "_resumed",
        "_size",
        "_snapshot",
        "delivered_seq",
        "key",
        "known",
        "numbered",
        "state",
        "tail",
    )

    def __init__(self, key: str, *, numbered: bool, max_events: int, max_bytes: int) -> None:
        self.key, self.numbered = key, numbered
        self._max_events, self._max_bytes = max_events, max_bytes
        self.state = self._resumed = State.REGISTERED  # `_resumed`: the state without a pause
        self.delivered_seq = 0  # up to this number the client has the events of the stream's present history
        self.tail = self.known = 0
        # Lists and tuples: every socket has these, and an empty deque takes 760 bytes.
        self._snapshot: Sequence[int] = ()  # the numbers of the snapshot's events that are still to be read
        self._buffer: list[E] = []
        self._size = 0  # of the buffer, in bytes

    def wake(self) -> None:
        """Called when there is something to send or to read."""

    def send_now(self, event: E) -> bool:
        """Called with an event that nothing of this subscription is before. Returns whether it has been sent."""
        return False

    # Moves

    def start(self, cursor: int, head: int) -> None:
        """Sends what follows `cursor`; the stream is at `head`."""
        self._start(cursor, head, ())

    def start_snapshot(self, seqs: Sequence[int], head: int) -> None:
        """Sends the events with these numbers, which rise and end at or before `head`, and then what follows `head`."""
        self._start(head, head, seqs)

    def _start(self, cursor: int, head: int, seqs: Sequence[int]) -> None:
        self.delivered_seq = self.tail = cursor
        self.known = max(self.known, head)
        self._snapshot = seqs
        self._move(State.ACTIVE)
        if self.has_work:
            self.wake()

    def invalidate(self, delivered_seq: int) -> None:
        """What follows the last delivered event is pruned, or is of another history: nothing is sent, and a snapshot is
        wanted, until the next start. Of the history that the snapshot will be of, the client has the events up to
        `delivered_seq`."""
        self._move(State.INVALIDATED)
        self.delivered_seq = delivered_seq
        self.known = 0
        self._snapshot = ()
        self._buffer.clear()
        self._size = 0
        if self.has_work:
            self.wake()

    def stop(self) -> None:
        """Sends nothing more."""
        self._move(State.STOPPED)
        self._snapshot = ()
        self._buffer.clear()

    def pause(self) -> None:
        """Sends nothing until `resume`. What is known to be missing then is read from the log."""
        if self.state is not State.STOPPED:
            self.state = State.PAUSED

    def resume(self) -> None:
        """Goes on where it was paused."""
        if self.state is State.PAUSED:
            self.state = self._resumed
            if self.has_work:
                self.wake()

    def _move(self, state: State) -> None:
        if self.state is not State.STOPPED:
            self._resumed = state
            if self.state is not State.PAUSED or state is State.STOPPED:
                self.state = state

    # What the state says

    @property
    def is_stopped(self) -> bool:
        return self.state is State.STOPPED

    @property
    def has_work(self) -> bool:
        """Whether there is something to send or to read."""
        if self.state is _ACTIVE:
            return bool(self._buffer or self._snapshot or self.known > self.tail)
        return self.state is State.INVALIDATED

    @property
    def is_synced(self) -> bool:
        """Whether all events that are known to exist are sent, so that nothing is before the next one."""
        return self.state is _ACTIVE and self.tail == self.known and not (self._buffer or self._snapshot)

    @property
    def wanted(self) -> After | Each | Anew | None:
        """What to read from the log, now that the buffer is empty."""
        if self.state is State.INVALIDATED:
            return Anew()
        if self.state is not _ACTIVE or self._buffer:
            return None
        if self._snapshot:
            return Each(self._snapshot[: self._max_events])
        return After(self.tail) if self.known > self.tail else None

    # Events as they happen

    def offer(self, event: E) -> bool:
        """Takes the stream's next event as it happens. Returns False if the buffer was full."""
        if event.seq == self.tail + 1 and self.is_synced and self.send_now(event):
            self.advance_to(event.seq)
            return True
        self.known = max(self.known, event.seq)
        if self.state is not _ACTIVE or event.seq <= self.tail:
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

    def advance_to(self, seq: int) -> None:
        """The subscription was synced, and the events up to this number have been sent since."""
        self.delivered_seq = self.tail = self.known = seq

    def note_head(self, head: int) -> None:
        """The stream is at `head`; the events up to there must be read from the log."""
        if head > self.known:
            self.known = head
            if self.has_work:
                self.wake()

    def take(self) -> E | None:
        """The next event to send. It counts as sent from now on."""
        if not self._buffer or self.state is State.PAUSED:
            return None
        event = self._buffer.pop(0)
        self._size -= event.size
        self.delivered_seq = max(self.delivered_seq, event.seq)
        return event

    # Events from the log

    def fill(self, events: Sequence[E]) -> bool:
        """Takes the answer to `After`, as much of it as fits into the buffer. Returns False if it does not continue at
        the tail: the events between are gone, and only a snapshot can help."""
        tail = self.tail
        for event in events:
            self.known = max(self.known, event.seq)
            if event.seq == self.tail + 1 and self._fits(event):
                self._append(event)
        return self.tail > tail or self.known <= self.tail

    def fill_snapshot(self, asked: Each, events: Sequence[E]) -> None:
        """Takes the answer to `Each`, as much of it as fits into the buffer. The answer is a beginning of what was
        asked, without the events that have been pruned meanwhile."""
        last = asked.seqs[-1]
        for event in events:
            if not self._fits(event):
                break
            self._buffer.append(event)
            self._size += event.size
            last = event.seq
        self._snapshot = self._snapshot[bisect_right(self._snapshot, last) :]

    # The buffer

    def _fits(self, event: E) -> bool:
        """Whether the buffer takes the event. An empty buffer takes any event."""
        return not self._buffer or (len(self._buffer) < self._max_events and self._size + event.size <= self._max_bytes)

    def _append(self, event: E) -> None:
        self._buffer.append(event)
        self._size += event.size
        self.tail = event.seq

    def _drop_buffer(self) -> None:
        # The events of a snapshot are not above `delivered_seq`. No page brings them again, so they stay.
        while self._buffer and self._buffer[-1].seq > self.delivered_seq:
            self._size -= self._buffer.pop().size
        self.tail = self.delivered_seq
