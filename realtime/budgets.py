"""How much somebody may do in a window of time: failed logins, requests, bytes in the log.

    STARTS = Budget("USER_STARTS", "API_WINDOW", "expensive requests of a user", "throttled_requests")
    STARTS.spend(user.pk)    # raises OverBudget, which names the limit and the time to wait

Django's cache `settings.CACHES["throttling"]` has the counters, so the processes share them where that cache is Redis.
Without it, or while it does not answer, each process counts for itself in a bounded memory: throttling never stops a
request because of a server that is away. The cache must have short timeouts.

A window is fixed, and each key has its own start, so the keys do not all begin again at the same moment. Within two
windows a client can have at most twice its budget at once.
"""

import math
import time
from collections.abc import Callable
from hashlib import sha256
from threading import Lock
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.core.cache import BaseCache, caches
from django.core.cache.backends.locmem import LocMemCache
from django.core.signals import setting_changed

from realtime.conf import limits
from realtime.metrics import count

ALIAS: Final = "throttling"
PREFIX: Final = "throttling"  # of the keys, which Redis may have beside others
RETRY_INTERVAL: Final = 5.0  # seconds in which a shared cache that failed is not asked again

now = time.time  # the processes share their windows, so it is the clock of the day


class Numbers:
    """The serializer for Django's Redis cache. Its own one would unpickle, and so run, what others put into Redis."""

    def dumps(self, number: int) -> int:
        return int(number)

    def loads(self, data: bytes) -> int:
        return int(data)


class OverBudget(Exception):  # noqa: N818 - the name says what is wrong
    """Nothing of a budget is left. The message names the limit and is for people.

    Attributes: `limit` (its name in settings.REALTIME), `retry_after` (whole seconds, at least 1).
    """

    def __init__(self, limit: str, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.limit, self.retry_after = limit, retry_after


class Budget(NamedTuple):
    """How much of one kind each key may do. Thread-safe."""

    limit: str  # the name of the amount in realtime/conf.py; an amount of 0 is no limit
    window: str  # the name of the seconds there
    what: str  # for people, in the plural
    counter: str  # the metric that counts refusals

    def spend(self, key: object, cost: int = 1) -> None:
        """Adds the cost. Raises OverBudget if there was not so much left."""
        if self._amount and self.add(key, cost) > self._amount:
            raise self._refusal(key)

    def check(self, key: object) -> None:
        """Raises OverBudget if nothing is left. Adds nothing."""
        if self._amount and self.spent(key) >= self._amount:
            raise self._refusal(key)

    def add(self, key: object, cost: int) -> int:
        """Adds the cost without a refusal. Returns what the key has spent in this window."""
        if not self._amount:
            return 0
        name, timeout = self._name(key), 2 * self._seconds
        return int(_ask(lambda cache: _increase(cache, name, cost, timeout)))

    def spent(self, key: object) -> int:
        name = self._name(key)
        return int(_ask(lambda cache: cache.get(name, 0)))

    @property
    def _amount(self) -> int:
        return int(getattr(limits, self.limit))

    @property
    def _seconds(self) -> int:
        return max(1, math.ceil(float(getattr(limits, self.window))))

    def _name(self, key: object) -> str:
        """The cache's key of the current window."""
        digest = _digest(key)
        return f"{PREFIX}:{self.limit}:{digest}:{int(now() + _offset(digest)) // self._seconds}"

    def _refusal(self, key: object) -> OverBudget:
        count(self.counter)
        seconds = self._seconds
        left = seconds - (now() + _offset(_digest(key))) % seconds
        message = f'More than {self._amount:,} {self.what} in {seconds:,} seconds (REALTIME["{self.limit}"]).'
        return OverBudget(self.limit, message, max(1, math.ceil(left)))


def remember(kind: str, key: object, seconds: float) -> None:
    """Remembers the key for this time, or until there is no room for it."""
    name = f"{PREFIX}:{kind}:{_digest(key)}"
    _ask(lambda cache: cache.set(name, 1, math.ceil(seconds)))


def is_remembered(kind: str, key: object) -> bool:
    name = f"{PREFIX}:{kind}:{_digest(key)}"
    return _ask(lambda cache: cache.get(name)) is not None


def _digest(key: object) -> str:
    """Of one length, and without the names of accounts."""
    return sha256(repr(key).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _offset(digest: str) -> int:
    return int(digest[:8], 16)


def _increase(cache: BaseCache, name: str, by: int, timeout: int) -> int:
    try:
        return cache.incr(name, by)
    except ValueError:  # a new window
        cache.add(name, 0, timeout)
    try:
        return cache.incr(name, by)
    except ValueError:  # dropped at once: the cache is full
        return by


class _Store:
    """The caches of this process. Django's `caches` would connect to Redis again in each thread."""

    def __init__(self) -> None:
        self.local = LocMemCache(PREFIX, {"OPTIONS": {"MAX_ENTRIES": limits.BUDGET_KEYS}})
        self._shared: BaseCache | None = None
        self._is_known = False
        self._retry_at = 0.0  # of the monotonic clock
        self._lock = Lock()

    def shared(self) -> BaseCache | None:
        """None if there is no shared cache, or if it failed a moment ago."""
        if not self._is_known:
            with self._lock:
                if not self._is_known and ALIAS in getattr(settings, "CACHES", {}):
                    self._shared = caches.create_connection(ALIAS)
                self._is_known = True
        return self._shared if time.monotonic() >= self._retry_at else None

    def note_failure(self) -> None:
        self._retry_at = time.monotonic() + RETRY_INTERVAL

    def close(self) -> None:
        """Closes the connections to Redis. Django's cache has no method for it."""
        client = getattr(self._shared, "_cache", None)
        for pool in getattr(client, "_pools", {}).values():
            pool.disconnect()


_store = _Store()


def _ask(question: Callable[[BaseCache], Any]) -> Any:
    """The answer of the shared cache, or of this process's own memory."""
    shared = _store.shared()
    if shared is not None:
        try:
            return question(shared)
        except Exception:  # the cache is the operator's choice, and so are its errors; it is asked again later
            _store.note_failure()
            count("throttling_alone")
    return question(_store.local)


def reset() -> None:
    """Forgets what this process has counted, and the cache that it uses."""
    global _store
    _store.local.clear()
    _store.close()
    _store = _Store()


def _on_setting_changed(setting: str, **kwargs: Any) -> None:
    if setting == "CACHES":
        reset()


setting_changed.connect(_on_setting_changed, dispatch_uid="realtime.budgets")
