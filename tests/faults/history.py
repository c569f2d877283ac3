"""The oracle of one client and one stream: is what arrived exactly 1..N, in order, once?

    history.answered(data)      the answer to a subscribe, or the one that comes unasked with a snapshot
    history.event(seq, text)    an event; `text` is its data as it came
    history.wish()              what the client says when it subscribes again

Pure. A breach is counted where it happens, and told in words that name the numbers.
"""

from collections import Counter
from collections.abc import MutableMapping
from typing import Any

Seen = MutableMapping[tuple[str, str, int], int]
"""What each event of each history was, as the first client got it: (key, epoch, seq) → hash of its data."""

LOST, DOUBLED, OUT_OF_ORDER, FOREIGN, CHANGED, UNASKED = (
    "lost",
    "doubled",
    "out of order",
    "foreign",
    "changed",
    "unasked",
)


class Breaches:
    """What should never have happened, counted by kind, with words for the first ones."""

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

    def __init__(self, key: str, seen: Seen, breaches: Breaches, owner: str = "") -> None:
        self.key, self.owner = key, owner
        self.epoch: str | None = None
        self.cursor = 0
        self.received = 0
        self.snapshots = 0  # forced ones: what was missed could not be repeated
        self.is_answered = False  # on this connection
        self.live_from = 0  # what is younger than this was not a replay
        self._snapshot_head: int | None = None
        self._seen, self._breaches = seen, breaches

    def wish(self) -> dict[str, Any]:
        return {"after": self.cursor} if self.epoch is None else {"after": self.cursor, "epoch": self.epoch}

    def disconnected(self) -> None:
        """What a snapshot had not brought yet, the next connection brings from the cursor on."""
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
            self._breach(CHANGED, f"the epoch {self.epoch} became {epoch} without a word")
        if head < self.cursor:
            self._breach(LOST, f"recovered at {head}, but {self.cursor} had arrived", self.cursor - head)
        self.epoch = epoch

    def event(self, seq: int | None, text: str) -> None:
        self.received += 1
        if seq is None or self.epoch is None or not self.is_answered:
            self._breach(UNASKED, f"{seq} before the answer to the subscribe")
            return
        if self._snapshot_head is not None:
            self._event_of_snapshot(seq)
        elif seq == self.cursor + 1:
            self.cursor = seq
        elif seq > self.cursor:
            self._breach(LOST, f"after {self.cursor} came {seq}", seq - self.cursor - 1)
            self.cursor = seq
        elif seq == self.cursor:
            self._breach(DOUBLED, f"{seq} came twice")
        else:
            self._breach(OUT_OF_ORDER, f"{seq} came after {self.cursor}")
        if self._seen.setdefault((self.key, self.epoch, seq), hash(text)) != hash(text):
            self._breach(CHANGED, f"{seq} is not what others got")

    def _event_of_snapshot(self, seq: int) -> None:
        assert self._snapshot_head is not None
        if not self.cursor < seq <= self._snapshot_head:
            self._breach(OUT_OF_ORDER, f"in a snapshot up to {self._snapshot_head}, {seq} came after {self.cursor}")
        self.cursor = max(self.cursor, seq)
        if self.cursor >= self._snapshot_head:
            self._snapshot_head = None

    def has_reached(self, head: int) -> bool:
        return self.is_answered and self._snapshot_head is None and self.cursor >= head

    def _breach(self, kind: str, words: str, by: int = 1) -> None:
        self._breaches.add(kind, f"{self.owner} on {self.key}: {words}", by)
