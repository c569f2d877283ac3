"""How much one client may do: messages a second, and connections at the same time. Pure: no Django, no clock."""

import ipaddress
from collections.abc import Hashable
from enum import StrEnum
from threading import Lock


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


class Cap:
    """Counts what has entered and not yet left, by key. Any thread may call."""

    def __init__(self) -> None:
        self._counts: dict[Hashable, int] = {}
        self._lock = Lock()

    def enter(self, key: Hashable, most: int) -> bool:
        """Counts one more of this key. False, and nothing is counted, where there are `most` already; 0 is no cap."""
        with self._lock:
            count = self._counts.get(key, 0)
            if most and count >= most:
                return False
            self._counts[key] = count + 1
            return True

    def leave(self, key: Hashable) -> None:
        """Once for each time that it has entered."""
        with self._lock:
            if self._counts[key] == 1:
                del self._counts[key]
            else:
                self._counts[key] -= 1


class Full(StrEnum):
    """Whose cap is reached."""

    PROCESS = "process"
    ADDRESS = "address"


class ServerCaps:
    """The sockets of one server: of the process, and of each address as the server has resolved it. Addresses of the
    loopback have no cap of their own: behind one may be everybody, where the headers of a proxy are not read."""

    def __init__(self) -> None:
        self._cap = Cap()

    def enter(self, address: str | None, *, most: int, most_of_address: int) -> Full | None:
        """Counts one more. Where there is no room nothing is counted, and the answer says where."""
        if not self._cap.enter(None, most):
            return Full.PROCESS
        if address and not _is_loopback(address) and not self._cap.enter(address, most_of_address):
            self._cap.leave(None)
            return Full.ADDRESS
        return None

    def leave(self, address: str | None) -> None:
        """Once for each time that `enter` has counted."""
        self._cap.leave(None)
        if address and not _is_loopback(address):
            self._cap.leave(address)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
