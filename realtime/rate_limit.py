"""How many messages may a connection send? So many a second, and a burst at once: a token bucket. Pure: no clock."""


class TokenBucket:
    """Holds up to `burst` tokens and gets `rate` a second. Full at first, since whoever comes back subscribes anew."""

    __slots__ = ("_burst", "_rate", "_then", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        """Times are seconds of a clock that does not go back."""
        self._rate, self._burst, self._then = rate, burst, now
        self._tokens = float(burst)

    def take(self, now: float) -> bool:
        """Takes the token of one message; False where there is none, and the message is one too many."""
        self._tokens = min(self._burst, self._tokens + (now - self._then) * self._rate)
        self._then = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
