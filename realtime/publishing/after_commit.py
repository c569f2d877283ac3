"""What is done after a commit: the events of the transaction are numbered and announced."""

import logging
import time
from collections.abc import Iterable

from django.db import connections

from realtime.log import numbering, retention, store
from realtime.log.types import NumberedEvents, StreamPosition
from realtime.metrics import count, observe
from realtime.publishing import announcer

logger = logging.getLogger(__name__)

_BATCH_SIZE = 100  # streams that one transaction numbers; it locks all of them


def number_and_announce(keys: Iterable[str], *, may_have_ended: bool = True, committed_at: float | None = None) -> None:
    """Numbers the unnumbered events of these streams, removes the streams that were ended, and announces both.
    `may_have_ended` False saves a query where the caller knows that no stream was ended. `committed_at` is the time of
    the commit, where the caller knows it."""
    in_order = sorted(set(keys))
    for start in range(0, len(in_order), _BATCH_SIZE):
        batch = in_order[start : start + _BATCH_SIZE]
        for numbered in numbering.number(batch):
            announcer.announce(numbered._replace(committed_at=committed_at))
        for key in store.find_ended(batch) if may_have_ended else ():
            if retention.remove(key):
                announcer.announce_end(key)


def numbered_head(key: str) -> StreamPosition:
    """The position of the stream after all events that were committed before this call got their numbers. Creates the
    stream if it does not exist."""
    stream, has_unnumbered = store.read_head(key)
    while stream is None or has_unnumbered:
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
            number_and_announce(keys, may_have_ended=self.has_ended, committed_at=committed_at)
        except Exception:
            count("numbering_failed")
            logger.exception("Numbering after a commit failed; the sweep or the next reader numbers the events")


def after_commit(using: str) -> AfterCommit:
    """The hook that is registered in the current transaction, or a new one. It may hold keys of a savepoint that was
    rolled back; each costs a look for events and nothing more."""
    for _, hook, *_ in reversed(connections[using].run_on_commit):
        if isinstance(hook, AfterCommit):
            return hook
    return AfterCommit()
