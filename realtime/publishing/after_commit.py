"""What is done after a commit: the events of the transaction are numbered and announced."""

import atexit
import logging
import os
import time
from collections.abc import Iterable

from django.db import OperationalError, connections

from realtime.log import numbering, retention, store
from realtime.log.types import NumberedEvents, StreamPosition
from realtime.metrics import count, observe
from realtime.publishing import announcer
from realtime.publishing.retry_thread import RetryThread

logger = logging.getLogger(__name__)

BATCH_SIZE = 100  # streams that one transaction numbers; it locks all of them
_FLUSH_TIMEOUT = 0.5  # seconds; a head is locked for less than a millisecond, unless something hangs


def number_and_announce(
    keys: Iterable[str], *, may_have_ended: bool = True, committed_at: float | None = None
) -> set[str]:
    """Numbers the unnumbered events of these streams, removes the streams that were ended, and announces both. Waits
    for no lock: returns the keys of the streams that it left, because another transaction had locked them.
    `may_have_ended` False saves a query where the caller knows that no stream was ended. `committed_at` is the time of
    the commit, where the caller knows it."""
    in_order, left = sorted(set(keys)), set()
    for start in range(0, len(in_order), BATCH_SIZE):
        batch = in_order[start : start + BATCH_SIZE]
        numbered, locked = numbering.number(batch)
        left |= locked
        for each in numbered:
            announcer.announce(each._replace(committed_at=committed_at))
        for key in store.find_ended(batch) if may_have_ended else ():
            if key not in locked and retention.remove(key):
                announcer.announce_end(key)
            else:
                left.add(key)
    return left


def _attempt(keys: Iterable[str], *, may_have_ended: bool = True, committed_at: float | None = None) -> set[str]:
    """`number_and_announce` that leaves all keys where the whole database was in the way."""
    keys = set(keys)
    try:
        with store.brief_wait():
            return number_and_announce(keys, may_have_ended=may_have_ended, committed_at=committed_at)
    except OperationalError as error:
        if not store.is_busy(error):
            raise
        return keys


def numbered_head(key: str) -> StreamPosition:
    """The position of the stream after all events that were committed before this call got their numbers, except those
    that another transaction numbers now or holds up. Creates the stream if it does not exist."""
    stream, has_unnumbered = store.read_head(key)
    while stream is None or has_unnumbered:
        if stream is None:
            store.create_streams([key])
        number_and_announce([key])
        stream, has_unnumbered = store.read_head(key)[0], False
    return stream


class AfterCommit:
    """The hook that runs after the commit of one transaction, for all its events together."""

    def __init__(self) -> None:
        self.numbered: list[NumberedEvents] = []  # events that got their numbers with the insert
        self.unnumbered_keys: set[str] = set()  # of the streams whose events wait for a number
        self.has_ended = False  # whether the transaction ended a stream

    def __call__(self) -> None:
        committed_at, began = time.time(), time.perf_counter()
        self._number_and_announce(committed_at)
        observe("publish", time.perf_counter() - began, "after_commit")

    def _number_and_announce(self, committed_at: float) -> None:
        numbered, self.numbered = self.numbered, []
        keys, self.unnumbered_keys = self.unnumbered_keys, set()
        for each in numbered:
            announcer.announce(each._replace(committed_at=committed_at))
        if not keys:
            return
        try:
            if left := _attempt(keys, may_have_ended=self.has_ended, committed_at=committed_at):
                _retry_thread.add(left)
        except Exception:
            count("numbering_failed")
            logger.exception("Numbering after a commit failed; the sweep or the next reader numbers the events")


_retry_thread = RetryThread(_attempt)


def flush() -> None:
    """Waits for the retries, for at most _FLUSH_TIMEOUT seconds. Runs when the process exits, before the announcer
    flushes."""
    if not _retry_thread.flush(_FLUSH_TIMEOUT):
        logger.warning("The process ends while heads are locked; the sweep numbers and announces their events")


def _reset_after_fork() -> None:
    """A forked child does not have the thread, and leaves the retries to its parent."""
    global _retry_thread
    _retry_thread = RetryThread(_attempt)


atexit.register(flush)
os.register_at_fork(after_in_child=_reset_after_fork)


def after_commit(using: str) -> AfterCommit:
    """The hook that is registered in the current transaction, or a new one. It may hold keys of a savepoint that was
    rolled back; each costs a look for events and nothing more."""
    for _, hook, *_ in reversed(connections[using].run_on_commit):
        if isinstance(hook, AfterCommit):
            return hook
    return AfterCommit()
