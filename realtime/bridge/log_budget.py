"""How many bytes of events a user's runs may record in a window (LOG_BYTES in LOG_WINDOW).

What is charged is the data of each event as the log stores it, once, after its commit. The budget is asked before a
start and before a report of a worker, so a user may exceed it by what is on its way.

A process adds up what it has recorded, and adds the sums to the budgets at most once a FLUSH_INTERVAL, so that an event
costs no request to Redis. What a process has not added when it dies is not charged.
"""

import time
from collections import Counter
from collections.abc import Sequence
from threading import Lock
from typing import Any, Final

from django.db import transaction

from executions.record_caps import TooMuchRecorded
from executions.signals import data_offered
from realtime.budgets import Budget, OverBudget
from realtime.log import store
from realtime.log.types import EventDraft

LOG_BYTES: Final = Budget("LOG_BYTES", "LOG_WINDOW", "bytes of events of a user's runs", "refused_log_bytes")
FLUSH_INTERVAL: Final = 1.0  # seconds

_sums: Counter[str] = Counter()  # by user
_last_flush = 0.0
_lock = Lock()


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
        transaction.on_commit(lambda: _add(sums), using=store.database())


def flush() -> None:
    """Adds the sums of this process to the budgets."""
    global _last_flush
    with _lock:
        _last_flush = time.monotonic()
        sums = dict(_sums)
        _sums.clear()
    for user_id, size in sums.items():
        LOG_BYTES.add(user_id, size)


def _add(sums: Counter[str]) -> None:
    with _lock:
        _sums.update(sums)
        is_due = time.monotonic() - _last_flush >= FLUSH_INTERVAL
    if is_due:
        flush()


def _size(draft: EventDraft) -> int:
    return len(draft.data) if draft.data.isascii() else len(draft.data.encode())
