"""The job that numbers what dead writers left, and removes streams that were ended. A sweep does the same sooner, but
runs only in a process with sockets."""

from collections.abc import Iterator

from realtime.housekeeping.jobs import Counts, Job
from realtime.log import store
from realtime.publishing.after_commit import BATCH_SIZE
from realtime.publishing.leftovers import number

_INTERVAL = 60.0  # seconds


def number_leftovers(is_dry_run: bool) -> Iterator[Counts]:
    """Numbers the leftovers of all streams, in the order of their keys."""
    after: str | None = ""
    while after is not None:
        found = store.find_unnumbered(BATCH_SIZE, after=after)
        if not is_dry_run:
            number(found, may_have_ended=True)
        yield {"streams": len(found)}
        after = found[-1] if len(found) == BATCH_SIZE else None


JOB = Job("leftovers", lambda: _INTERVAL, number_leftovers)
