"""Decides whether a client that is behind still reads. Pure: no clock, no sockets.

The bytes that the client takes decide, not whether it has caught up: a phone with 20 KB/s needs fifty seconds for 1 MB,
and nothing is wrong with it. A client is too slow in two cases:

- It has stalled: it took no byte for `stall_timeout` seconds.
- It is below the minimum rate: in one `window` it took fewer than `min_rate` bytes a second.

Any other client may take as long as it needs.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SlowReaderPolicy:
    """The slowest reader that is accepted. Times are seconds."""

    stall_timeout: float
    min_rate: float  # bytes a second
    window: float

    @property
    def check_interval(self) -> float:
        """Seconds between two checks of one client."""
        return min(self.stall_timeout, self.window) / 10


class ReadProgress:
    """The progress of one client since it fell behind. `taken` is its total of bytes; it only grows."""

    __slots__ = ("_last_progress", "_last_taken", "_policy", "_window_start", "_window_taken")

    def __init__(self, policy: SlowReaderPolicy, now: float, taken: int) -> None:
        self._policy = policy
        self._last_progress = self._window_start = now
        self._last_taken = self._window_taken = taken

    def find_fault(self, now: float, taken: int) -> str | None:
        """Why the client is too slow, as a phrase for the log. None while it reads fast enough."""
        if taken > self._last_taken:
            self._last_progress, self._last_taken = now, taken
        elif now - self._last_progress >= self._policy.stall_timeout:
            return f"has not read for {self._policy.stall_timeout:g} s"
        elapsed = now - self._window_start
        if elapsed >= self._policy.window:
            if taken - self._window_taken < self._policy.min_rate * elapsed:
                return f"has read less than {self._policy.min_rate:g} bytes a second for {self._policy.window:g} s"
            self._window_start, self._window_taken = now, taken
        return None
