"""Checks the events that one client gets from one stream: each of 1..N once, in order.

    history.answered(data)      the answer to a subscribe, or one that the server sends unasked with a snapshot
    history.event(seq, text)    an event; `text` is its data as JSON
    history.options()           the options with which the client subscribes again

Pure. Counts each violation, with a message that names the numbers.
"""

from collections import Counter
from collections.abc import MutableMapping
from typing import Any

Seen = MutableMapping[tuple[str, str, int], int]
"""The data of each event as the first client got it: (key, epoch, seq) → hash of the data."""

LOST, DOUBLED, OUT_OF_ORDER, FOREIGN, CHANGED, UNASKED = (
    "lost",
    "doubled",
    "out of order",
    "foreign",
    "changed",
    "unasked",
)


class Violations:
    """Counts violations by kind, and keeps the messages of the first 50."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.words: list[str] = []

    def add(self, kind: str, words: str, by: int = 1) -> None:
        self.counts[kind] += by
        if len(self.words) < 50:
            self.words.append(f"{kind}: {words}")

    def __bool__(self) -> bool:
        return bool(self.counts)


class History:
    """`cursor` is the last number that arrived, 0 before the first."""

    def __init__(self, key: str, seen: Seen, violations: Violations, owner: str = "") -> None:
        self.key, self.owner = key, owner
        self.epoch: str | None = None
        self.cursor = 0
        self.received = 0
        self.snapshots = 0  # in place of a replay that was not possible
        self.is_answered = False  # on this connection
        self.live_from = 0  # events from this number on were not replayed
        self._snapshot_head: int | None = None
        self._seen, self._violations = seen, violations

    def options(self) -> dict[str, Any]:
        return {"after": self.cursor} if self.epoch is None else {"after": self.cursor, "epoch": self.epoch}

    def disconnected(self) -> None:
        """The next connection continues an interrupted snapshot from the cursor."""
        self.is_answered = False
        self._snapshot_head = None

    def answered(self, data: dict[str, Any]) -> None:
        epoch, head = data["epoch"], data["head"]
        self.is_answered = True
        self.live_from = head + 1
        if not data["recovered"]:
            self.snapshots += 1
            self.epoch, self.cursor = epoch, 0
            self._snapshot_head = head or None
            return
        if self.epoch is not None and epoch != self.epoch:
            self._violation(CHANGED, f"the epoch {self.epoch} became {epoch} without recovered: false")
        if head < self.cursor:
            self._violation(LOST, f"recovered at {head}, but {self.cursor} had arrived", self.cursor - head)
        self.epoch = epoch

    def event(self, seq: int | None, text: str) -> None:
        self.received += 1
        if seq is None or self.epoch is None or not self.is_answered:
            self._violation(UNASKED, f"{seq} before the answer to the subscribe")
            return
        if self._snapshot_head is not None:
            self._event_of_snapshot(seq)
        elif seq == self.cursor + 1:
            self.cursor = seq
        elif seq > self.cursor:
            self._violation(LOST, f"after {self.cursor} came {seq}", seq - self.cursor - 1)
            self.cursor = seq
        elif seq == self.cursor:
            self._violation(DOUBLED, f"{seq} came twice")
        else:
            self._violation(OUT_OF_ORDER, f"{seq} came after {self.cursor}")
        if self._seen.setdefault((self.key, self.epoch, seq), hash(text)) != hash(text):
            self._violation(CHANGED, f"{seq} is not what others got")

    def _event_of_snapshot(self, seq: int) -> None:
        assert self._snapshot_head is not None
        if not self.cursor < seq <= self._snapshot_head:
            self._violation(OUT_OF_ORDER, f"in a snapshot up to {self._snapshot_head}, {seq} came after {self.cursor}")
        self.cursor = max(self.cursor, seq)
        if self.cursor >= self._snapshot_head:
            self._snapshot_head = None

    def has_reached(self, head: int) -> bool:
        return self.is_answered and self._snapshot_head is None and self.cursor >= head

    def _violation(self, kind: str, words: str, by: int = 1) -> None:
        self._violations.add(kind, f"{self.owner} on {self.key}: {words}", by)
