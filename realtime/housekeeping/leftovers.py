"""The job that numbers what dead writers left, and removes streams that were ended. A sweep does the same sooner, but
runs only in a process with sockets."""

from collections.abc import Iterator

from realtime.conf import limits
from realtime.housekeeping.jobs import Counts, Job
from realtime.log import store
from realtime.publishing.after_commit import number_and_announce

_INTERVAL = 60.0


def number_leftovers(is_dry_run: bool) -> Iterator[Counts]:
    for key in store.find_unnumbered(limits.SWEEP_BATCH):
        if not is_dry_run:
            number_and_announce([key])
        yield {"streams": 1}


JOB = Job("leftovers", lambda: _INTERVAL, number_leftovers)
