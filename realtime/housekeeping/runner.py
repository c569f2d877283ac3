"""Runs jobs in the thread of the caller: a batch, then a pause. So a long job takes a bounded share of the time."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator

from realtime.conf import limits
from realtime.housekeeping import claims
from realtime.housekeeping.jobs import Counts, Job, all_jobs
from realtime.metrics import count

logger = logging.getLogger(__name__)

Pause = Callable[[float], bool]
"""Waits for so many seconds, or less. Returns whether to stop. `threading.Event().wait` is one."""

_RETRY = 60.0  # seconds after an error, if the job's interval is not shorter


def run_due(pause: Pause | None = None, *, seconds: float | None = None) -> dict[str, Counts]:
    """Runs the jobs that are due and that no other process runs. Returns what each did. Stops after `seconds`: what is
    left is due at once, for the next call in any process. For a task of Celery beat or of `django.tasks`."""
    pause = pause or pause_until(None if seconds is None else time.monotonic() + seconds)
    return dict(run_each_due(pause))


def run_each_due(pause: Pause) -> Iterator[tuple[str, Counts]]:
    """`run_due`, a job at a time."""
    jobs = all_jobs()
    for name in claims.find_due(jobs):
        if pause(0):
            return
        did = run(jobs[name], pause)
        if did is not None:
            yield name, did


def run(
    job: Job, pause: Pause, *, must_be_due: bool = True, on_progress: Callable[[Counts], None] | None = None
) -> Counts | None:
    """Runs one job. Returns what it did, or None if another process runs it or it is not due. An error of the job is
    logged and kept in its row."""
    holder = claims.claim(job.name, must_be_due=must_be_due)
    if holder is None:
        return None
    did: Counter[str] = Counter()
    started, error, next_in = time.monotonic(), "", 0.0
    try:
        if _work(job, holder, did, pause, on_progress):
            next_in = job.interval()
            count("housekeeping_runs")
    except Exception as failure:
        count("housekeeping_failed")
        logger.exception("The job %s failed; it is tried again", job.name)
        error, next_in = f"{type(failure).__name__}: {failure}", min(_RETRY, job.interval())
    finally:
        seconds = time.monotonic() - started
        claims.release(job.name, holder, did=did, seconds=seconds, error=error, next_in=next_in)
    if did:
        logger.info("Housekeeping: %s, %s, %.1f s", job.name, describe(did), seconds)
    return dict(did)


def describe(did: Counts) -> str:
    """For people: `graph 12, graph_exec 1,200`."""
    return ", ".join(f"{what} {number:,}" for what, number in sorted(did.items())) or "nothing"


def _work(job: Job, holder: str, did: Counter[str], pause: Pause, on_progress: Callable[[Counts], None] | None) -> bool:
    """Returns whether the job is complete: it was neither stopped nor taken over."""
    renewal = limits.HOUSEKEEPING_LEASE / 3
    renewed_at = began = time.monotonic()
    for counts in job.run(False):
        did.update({what: number for what, number in counts.items() if number})
        count("housekeeping_rows", sum(counts.values()))
        if on_progress:
            on_progress(did)
        took = time.monotonic() - began
        if time.monotonic() - renewed_at > renewal:
            if not claims.renew(job.name, holder, did):
                logger.warning("The job %s was taken over: a batch took longer than its lease", job.name)
                return False
            renewed_at = time.monotonic()
        if pause(min(took * (1 / limits.HOUSEKEEPING_SHARE - 1), renewal)):
            return False
        began = time.monotonic()
    return True


def pause_until(end: float | None) -> Pause:
    """A pause that sleeps, and stops at this time of `time.monotonic()`; never with None."""

    def pause(seconds: float) -> bool:
        time.sleep(seconds if end is None else max(0.0, min(seconds, end - time.monotonic())))
        return end is not None and time.monotonic() >= end

    return pause
