"""Leftovers: committed events without a number, of a writer that died after its commit or met a locked head.

Several processes may work on them at once. A numbering pass leaves out a stream that another process numbers. So two
processes that begin with the same streams soon work on different ones.
"""

import logging
from collections.abc import Sequence

from realtime.conf import limits
from realtime.log import store
from realtime.metrics import count
from realtime.publishing.after_commit import BATCH_SIZE, number_and_announce

logger = logging.getLogger(__name__)


def number_watched(keys: Sequence[str]) -> bool:
    """Numbers and announces the leftovers of these streams. Returns whether any stream has leftovers. Removes no ended
    stream, which may take long."""
    found: Sequence[str] = store.find_unnumbered(limits.SWEEP_BATCH)
    if not found:
        return False
    are_all = len(found) < limits.SWEEP_BATCH
    own = sorted({*keys} & {*found}) if are_all else store.find_unnumbered_among(keys)
    for start in range(0, len(own), BATCH_SIZE):
        number(own[start : start + BATCH_SIZE], may_have_ended=False)
    return True


def number_next(after: str) -> str | None:
    """Numbers and announces the leftovers of the next streams that have some, in the order of the keys, from the one
    that follows `after`. Removes those that were ended. Returns the last key, or None at the end."""
    found = store.find_unnumbered(BATCH_SIZE, after=after)
    number(found, may_have_ended=True)
    return found[-1] if len(found) == BATCH_SIZE else None


def number(keys: Sequence[str], *, may_have_ended: bool) -> None:
    """Numbers and announces the leftovers of these streams together. If that fails, each stream alone: one that cannot
    be numbered does not hold up the others."""
    if not keys:
        return
    try:
        left = number_and_announce(keys, may_have_ended=may_have_ended)
        count("streams_numbered_late", len({*keys} - left))
    except Exception:
        if len(keys) > 1:
            for key in keys:
                number([key], may_have_ended=may_have_ended)
            return
        count("numbering_failed")
        logger.exception("The events of %s stay unnumbered; the next sweep tries again", keys[0])
