"""Which times follow a status. Single writes and bulk writes share these rules.

QUEUED, RUNNING and the ends (COMPLETED, FAILED, TERMINATED) each set their time, if it is not set yet. A status that is
not an end clears the time of the end, because a terminated run may continue.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import DateTimeField, F, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from executions.statuses import ENDED, ExecutionStatus


@dataclass(frozen=True, slots=True)
class StatusTimes:
    """The columns of one model that hold when a row was queued, started to run and ended."""

    running: str
    ended: str
    queued: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(column for column in (self.queued, self.running, self.ended) if column)

    def columns_of(self, status: ExecutionStatus) -> tuple[str, ...]:
        """The columns that `status` sets or clears."""
        start = self._start_column(status)
        return (start, self.ended) if start else (self.ended,)

    def values(
        self, status: ExecutionStatus, old_times: Mapping[str, datetime | None], now: datetime
    ) -> dict[str, datetime | None]:
        """Column → value after a row with these old times gets `status`."""
        new: dict[str, datetime | None] = {column: old_times[column] or now for column in self.columns_of(status)}
        return new if status in ENDED else {**new, self.ended: None}

    def expressions(self, status: ExecutionStatus, now: datetime) -> dict[str, Combinable | None]:
        """The same as SQL expressions, for rows whose old times were not read."""
        new: dict[str, Combinable | None] = {
            column: Coalesce(F(column), Value(now, output_field=DateTimeField())) for column in self.columns_of(status)
        }
        return new if status in ENDED else {**new, self.ended: None}

    def _start_column(self, status: ExecutionStatus) -> str | None:
        if status == ExecutionStatus.RUNNING:
            return self.running
        return self.queued if status == ExecutionStatus.QUEUED else None
