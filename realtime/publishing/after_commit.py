"""What is left to do after the commit: number the events of the transaction, and announce them."""

import logging
from collections.abc import Iterable

from django.db import connections

from realtime.log import numbering, retention, store
from realtime.log.types import Numbered, StreamPosition
from realtime.metrics import count
from realtime.publishing import announcer

logger = logging.getLogger(__name__)

_BATCH = 100  # streams that are numbered in one transaction, since it holds the locks of all of them


def number_and_announce(keys: Iterable[str], *, has_ended: bool = True) -> None:
    """Numbers what is unnumbered in these streams, removes those that were ended, and announces both. `has_ended` False
    saves a query where it is known that none was."""
    in_order = sorted(set(keys))
    for start in range(0, len(in_order), _BATCH):
        batch = in_order[start : start + _BATCH]
        for numbered in numbering.number(batch):
            announcer.announce(numbered)
        for key in store.ended(batch) if has_ended else ():
            if retention.remove(key):
                announcer.announce_end(key)


def numbered_head(key: str) -> StreamPosition:
    """Where the stream stands, with everything numbered that was committed before this call; it is made if need be."""
    stream, is_unsettled = store.read_head(key)
    while stream is None or is_unsettled:
        number_and_announce([key])
        stream, is_unsettled = store.read_head(key)[0], False
    return stream


class AfterCommit:
    """What is left to do after the commit of one transaction, for all its events at once."""

    def __init__(self) -> None:
        self.numbered: list[Numbered] = []
        self.keys: set[str] = set()  # of streams in which events wait for their numbers
        self.has_ended = False

    def __call__(self) -> None:
        numbered, self.numbered = self.numbered, []
        keys, self.keys = self.keys, set()
        for each in numbered:
            announcer.announce(each)
        if not keys:
            return
        try:
            number_and_announce(keys, has_ended=self.has_ended)
        except Exception:
            count("numbering_failed")
            logger.exception("Events stay unnumbered for now; the sweep or the next reader of the stream numbers them")


def after_commit(using: str) -> AfterCommit:
    """The one that a live hook of the current transaction will run, or a new one. The key of a savepoint that was
    rolled back may stay in it, which costs a look and no more."""
    for _, hook, *_ in reversed(connections[using].run_on_commit):
        if isinstance(hook, AfterCommit):
            return hook
    return AfterCommit()
