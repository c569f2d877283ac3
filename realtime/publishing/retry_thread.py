"""The one thread of a process that numbers what a writer had to leave, because another transaction had locked the head.

Two writers of one stream meet often, for less than a millisecond. The sweep would number such an event, too, but only
after seconds.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from django.db import close_old_connections, connections

from realtime.conf import limits
from realtime.metrics import count

logger = logging.getLogger(__name__)

_FIRST_WAIT, _LONGEST_WAIT = 0.002, 0.1  # seconds before an attempt; the wait doubles
_IDLE_TIME = 1.0  # seconds without work, after which the thread ends and gives its connection back


class _Retry(NamedTuple):
    due: float  # `time.monotonic()`, as all times here
    wait: float  # before the attempt after this one
    end: float  # when the key is left to the sweep


class RetryThread:
    """Calls `attempt` with keys until it leaves none of them, for SWEEP_INTERVAL seconds at most. `attempt` returns the
    keys that it left. It runs in a thread that exists only while there is work."""

    def __init__(self, attempt: Callable[[Iterable[str]], set[str]]) -> None:
        self._attempt = attempt
        self._changed = threading.Condition()  # of all attributes below
        self._retries: dict[str, _Retry] = {}
        self._is_trying = False
        self._thread: threading.Thread | None = None

    def add(self, keys: Iterable[str]) -> None:
        """Tries these keys again soon. Keys beyond RETRY_STREAMS are left to the sweep, and counted."""
        now = time.monotonic()
        with self._changed:
            for key in keys:
                if key in self._retries:
                    continue
                if len(self._retries) >= limits.RETRY_STREAMS:
                    count("numbering_left")
                    continue
                count("numbering_retried")
                self._retries[key] = _Retry(now + _FIRST_WAIT, 2 * _FIRST_WAIT, now + limits.SWEEP_INTERVAL)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="realtime-numbering", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Waits until nothing is left to try, for at most `timeout` seconds. Returns whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._retries and not self._is_trying, timeout)

    def _run(self) -> None:
        try:
            while due := self._next():
                self._try(due)
        finally:
            connections.close_all()

    def _next(self) -> dict[str, _Retry]:
        """The keys whose time has come, as soon as there are some. Returns none when the thread shall end."""
        with self._changed:
            self._is_trying = False
            self._changed.notify_all()
            idle_since = time.monotonic()
            while True:
                now = time.monotonic()
                due = {key: retry for key, retry in self._retries.items() if retry.due <= now}
                if due:
                    self._is_trying = True
                    for key in due:
                        del self._retries[key]
                    return due
                if not self._retries and now - idle_since >= _IDLE_TIME:
                    self._thread = None
                    return {}
                next_due = min((retry.due for retry in self._retries.values()), default=idle_since + _IDLE_TIME)
                self._changed.wait(next_due - now)

    def _try(self, due: dict[str, _Retry]) -> None:
        close_old_connections()
        try:
            left = self._attempt(due)
        except Exception:
            count("numbering_failed")
            logger.exception("Numbering again failed; the sweep or the next reader numbers the events")
            return
        now = time.monotonic()
        with self._changed:
            for key in left:
                _, wait, end = due[key]
                if now + wait > end:
                    count("numbering_left")
                else:
                    self._retries.setdefault(key, _Retry(now + wait, min(2 * wait, _LONGEST_WAIT), end))
