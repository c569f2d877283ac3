"""The job that removes old events, by the kind of their stream."""

from collections.abc import Callable, Iterator

from django.utils import timezone

from realtime import streams
from realtime.ages import ages_by_kind
from realtime.conf import limits
from realtime.housekeeping.jobs import Counts, Job
from realtime.log.retention import oldest_events, prune_in_batches

_PAGE = 500  # streams that one statement looks at

_is_running: dict[str, Callable[[str], bool]] = {}


def keep_whole(kind: str, is_running: Callable[[str], bool]) -> None:
    """Streams of this kind keep all their events while `is_running` says so of their id. It is asked before each
    batch."""
    _is_running[kind] = is_running


def prune_old_events(is_dry_run: bool) -> Iterator[Counts]:
    """Prunes the streams of each kind that has an age in RETENTION."""
    now = timezone.now()
    cutoffs = {kind: now - age for kind, age in ages_by_kind().items() if age is not None}
    last_id = 0
    while cutoffs and (page := oldest_events(last_id, _PAGE)):
        for last_id, key, oldest in page:
            name = streams.parse(key)
            if name is None or oldest is None or name.kind not in cutoffs or oldest >= cutoffs[name.kind]:
                continue
            is_running = _is_running.get(name.kind, _never)
            batches = prune_in_batches(last_id, cutoffs[name.kind], is_dry_run=is_dry_run)
            while not is_running(name.id) and (removed := next(batches, None)) is not None:
                yield {name.kind: removed}
        yield {}


def _never(id: str) -> bool:
    return False


JOB = Job("old_events", lambda: limits.HOUSEKEEPING_INTERVAL, prune_old_events)
