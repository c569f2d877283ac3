"""How many bytes of a user's events, of runs and notifications, are recorded in a window (LOG_BYTES in LOG_WINDOW).

What is charged is the data of each event as the log stores it, once, after its commit. The budget is asked before a
start and before a report of a worker, so a user may exceed it by what is on its way.

A process adds up what it has recorded. A thread adds the sums to the budgets, at most once a FLUSH_INTERVAL, so no
commit waits for Redis. What a process has not added when it is killed is not charged.
"""

import atexit
import os
import time
from collections import Counter
from collections.abc import Sequence
from threading import Lock, Thread
from typing import Any, Final

from django.db import connections, transaction

from executions.record_caps import TooMuchRecorded
from executions.signals import data_offered
from realtime.budgets import Budget, OverBudget
from realtime.log import store
from realtime.log.types import EventDraft

LOG_BYTES: Final = Budget("LOG_BYTES", "LOG_WINDOW", "bytes of a user's events", "refused_log_bytes")
FLUSH_INTERVAL: Final = 1.0  # seconds

_sums: Counter[str] = Counter()  # by user
_next_flush = 0.0  # `time.monotonic()`
_lock = Lock()  # of the two above
_flushing = Lock()  # while sums are in neither `_sums` nor the budgets


def connect() -> None:
    data_offered.connect(on_data_offered, dispatch_uid=on_data_offered.__name__)


def on_data_offered(user_id: Any, **kwargs: Any) -> None:
    flush()
    try:
        LOG_BYTES.check(str(user_id))
    except OverBudget as error:
        raise TooMuchRecorded(str(error), error.retry_after) from None


def charge(events: Sequence[tuple[Any, Sequence[EventDraft]]]) -> None:
    """Charges the drafts of these changes to their users, when the current transaction commits."""
    sums: Counter[str] = Counter()
    for event, drafts in events:
        user_id = getattr(event, "user_id", None)
        if user_id is not None:
            sums[str(user_id)] += sum(map(_size, drafts))
    if sums:
        transaction.on_commit(lambda: _add(sums), using=store.database(), robust=True)


def flush() -> None:
    """Adds the sums of this process to the budgets. Waits for the throttling cache."""
    with _flushing:
        with _lock:
            sums = dict(_sums)
            _sums.clear()
        for user_id, size in sums.items():
            LOG_BYTES.add(user_id, size)


def _add(sums: Counter[str]) -> None:
    global _next_flush
    with _lock:
        _sums.update(sums)
        now = time.monotonic()
        is_due = now >= _next_flush
        if is_due:
            _next_flush = now + FLUSH_INTERVAL
    if is_due:
        Thread(target=_flush_in_thread, name="realtime-log-budget", daemon=True).start()


def _flush_in_thread() -> None:
    try:
        flush()
    finally:
        connections.close_all()  # the cache may be a table


def _reset_after_fork() -> None:
    """In a forked child. The sums are the parent's, and a thread of the parent may have held a lock."""
    global _lock, _flushing
    _lock, _flushing = Lock(), Lock()
    _sums.clear()


def _size(draft: EventDraft) -> int:
    return len(draft.data) if draft.data.isascii() else len(draft.data.encode())


os.register_at_fork(after_in_child=_reset_after_fork)
atexit.register(flush)
