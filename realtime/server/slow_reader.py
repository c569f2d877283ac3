"""Does a client that is behind still read? By the bytes that it takes, not by whether it has caught up: 1 MB takes a
phone with 20 KB/s fifty seconds, and nothing is wrong with it. Pure: no clock, no sockets.

A client has stopped when it took no byte for `stall` seconds, and crawls when in one `window` it took less than
`slowest` bytes a second. Whoever is neither may take as long as it needs.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SlowReaderPolicy:
    """The slowest that a reader may be. Times are seconds."""

    stall: float
    slowest: float  # bytes a second
    window: float

    @property
    def interval(self) -> float:
        """How often to look."""
        return min(self.stall, self.window) / 10


class Progress:
    """Of one client, from the moment when it has fallen behind. `taken` only ever grows."""

    __slots__ = ("_last", "_last_taken", "_pace", "_window_start", "_window_taken")

    def __init__(self, pace: SlowReaderPolicy, now: float, taken: int) -> None:
        self._pace = pace
        self._last = self._window_start = now
        self._last_taken = self._window_taken = taken

    def verdict(self, now: float, taken: int) -> str | None:
        """What is wrong with the client, for a log; None while it reads."""
        if taken > self._last_taken:
            self._last, self._last_taken = now, taken
        elif now - self._last >= self._pace.stall:
            return f"has not read for {self._pace.stall:g} s"
        elapsed = now - self._window_start
        if elapsed >= self._pace.window:
            if taken - self._window_taken < self._pace.slowest * elapsed:
                return f"has read less than {self._pace.slowest:g} bytes a second for {self._pace.window:g} s"
            self._window_start, self._window_taken = now, taken
        return None
