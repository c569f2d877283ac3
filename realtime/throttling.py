"""Limits on clients: messages a second, and open connections. Pure: no Django, no clock."""

import ipaddress
from collections.abc import Hashable
from enum import StrEnum
from threading import Lock


class TokenBucket:
    """Holds up to `burst` tokens, and gains `rate` tokens a second. It is full at first, since a client that reconnects
    subscribes to all its streams at once."""

    __slots__ = ("_burst", "_last_take", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        """Times are seconds of a monotonic clock."""
        self._rate, self._burst, self._last_take = rate, burst, now
        self._tokens = float(burst)

    def take(self, now: float) -> bool:
        """Takes the token of one message. Returns False if there is none: the message is over the limit."""
        self._tokens = min(self._burst, self._tokens + (now - self._last_take) * self._rate)
        self._last_take = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Cap:
    """Counts open connections by key. Thread-safe."""

    def __init__(self) -> None:
        self._counts: dict[Hashable, int] = {}
        self._lock = Lock()

    def try_acquire(self, key: Hashable, limit: int) -> bool:
        """Counts one more connection of the key. Returns False, and counts nothing, if there are already `limit`. A
        limit of 0 is no limit."""
        with self._lock:
            count = self._counts.get(key, 0)
            if limit and count >= limit:
                return False
            self._counts[key] = count + 1
            return True

    def release(self, key: Hashable) -> None:
        """Counts one connection less. Call it once for each successful `try_acquire`."""
        with self._lock:
            if self._counts[key] == 1:
                del self._counts[key]
            else:
                self._counts[key] -= 1


class ReachedCap(StrEnum):
    """Which cap refuses a connection."""

    PROCESS = "process"
    ADDRESS = "address"


class ServerCaps:
    """The caps of one server process: of all sockets, and of the sockets of one client address. Loopback addresses have
    no cap of their own: without proxy headers, a proxy on this machine puts all clients behind one loopback address."""

    def __init__(self) -> None:
        self._cap = Cap()

    def try_acquire(self, address: str | None, *, limit: int, address_limit: int) -> ReachedCap | None:
        """Counts one more socket and returns None. If a cap is reached, counts nothing and returns that cap."""
        if not self._cap.try_acquire(None, limit):
            return ReachedCap.PROCESS
        if address and not is_loopback(address) and not self._cap.try_acquire(address, address_limit):
            self._cap.release(None)
            return ReachedCap.ADDRESS
        return None

    def release(self, address: str | None) -> None:
        """Counts one socket less. Call it once for each successful `try_acquire`."""
        self._cap.release(None)
        if address and not is_loopback(address):
            self._cap.release(address)


def is_loopback(address: str) -> bool:
    """Whether it is an address of this machine. A proxy on this machine puts all clients behind one."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
