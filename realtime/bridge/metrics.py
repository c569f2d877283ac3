"""What `/metrics` shows of executions."""

from typing import Any

from executions import figures, leases, signals
from realtime.http import stored_gauges
from realtime.metrics import count


def connect() -> None:
    """Adds the gauges of executions, and counts expired leases and refused starts."""
    stored_gauges.add_source(read_gauges)
    leases.lease_expired.connect(on_lease_expired, dispatch_uid=on_lease_expired.__name__)
    signals.start_refused.connect(on_start_refused, dispatch_uid=on_start_refused.__name__)


def read_gauges() -> dict[str, stored_gauges.Value]:
    return {
        "executions": {**figures.count_by_status(stored_gauges.MAX_COUNTED)},
        "executions_oldest_queued_seconds": figures.oldest_queued_seconds(),
        "leases_overdue": figures.count_overdue_leases(stored_gauges.MAX_COUNTED),
    }


def on_lease_expired(sender: type, **kwargs: Any) -> None:
    count("leases_expired")


def on_start_refused(sender: type, **kwargs: Any) -> None:
    count("refused_starts")
