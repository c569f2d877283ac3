"""Which times follow a status: the one place that says so, for single and for bulk writes.

A status that something waits, runs or ends in sets its time where none is set yet; a status that is not an end takes
the time of the end away, since a terminated run may go on.
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
    """The columns of one model that hold when a row was queued, began to run and ended."""

    running: str
    ended: str
    queued: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(column for column in (self.queued, self.running, self.ended) if column)

    def touched_by(self, status: ExecutionStatus) -> tuple[str, ...]:
        """The columns that `status` sets or clears."""
        begun = self._begun_by(status)
        return (begun, self.ended) if begun else (self.ended,)

    def values(
        self, status: ExecutionStatus, present: Mapping[str, datetime | None], now: datetime
    ) -> dict[str, datetime | None]:
        """What the columns hold once a row with these present times has `status`."""
        after: dict[str, datetime | None] = {column: present[column] or now for column in self.touched_by(status)}
        return after if status in ENDED else {**after, self.ended: None}

    def expressions(self, status: ExecutionStatus, now: datetime) -> dict[str, Combinable | None]:
        """The same as expressions, for rows whose present times only the database knows."""
        after: dict[str, Combinable | None] = {
            column: Coalesce(F(column), Value(now, output_field=DateTimeField())) for column in self.touched_by(status)
        }
        return after if status in ENDED else {**after, self.ended: None}

    def _begun_by(self, status: ExecutionStatus) -> str | None:
        if status == ExecutionStatus.RUNNING:
            return self.running
        return self.queued if status == ExecutionStatus.QUEUED else None
