"""A row with a status: status changes follow the table of `executions.statuses`, and times follow the status."""

from collections.abc import Collection
from functools import cache
from typing import Any, ClassVar, cast

from django.db import models
from django.utils import timezone

from executions.fields import CharField
from executions.recording.change import RefusedBeforeWrite
from executions.recording.signalling_model import SignallingModel
from executions.recording.status_times import StatusTimes
from executions.recording.status_writes import constant_status
from executions.statuses import ExecutionStatus, IllegalTransition, allowed_before, check_transition


class StatusModel(SignallingModel):
    """A row whose status follows the table of `executions.statuses`, and whose times follow its status.

    The UPDATE itself checks the table: its WHERE clause takes only rows whose status may precede the new one. So the
    second of two concurrent writers sees what the first one wrote. Raises IllegalTransition. Then nothing has changed,
    no signal was sent, and the surrounding transaction stays usable.
    """

    old_value_field = "status"
    status_times: ClassVar[StatusTimes]

    status = CharField(
        max_length=16,
        choices=[(status.value, status.title()) for status in ExecutionStatus],
        default=ExecutionStatus.QUEUED.value,
    )

    class Meta(SignallingModel.Meta):
        abstract = True

    def prepare_to_write(self, names: Collection[str] | None = None) -> None:
        super().prepare_to_write(names)
        if names is None or "status" in names:
            self.status = constant_status(self.status)
            old_times = {column: self.__dict__.get(column) for column in self.status_times.columns}
            for column, value in self.status_times.values(self.status, old_times, timezone.now()).items():
                if names is None or column in names:
                    setattr(self, column, value)

    def _do_update(
        self,
        base_qs: models.QuerySet[Any],
        using: str | None,
        pk_val: Any,
        values: "Collection[tuple[models.Field[Any, Any], Any, Any]]",
        *rest: Any,
    ) -> Any:
        written = {field.name: value for field, _, value in values}
        if self._is_raw or "status" not in written:
            return super()._do_update(base_qs, using, pk_val, values, *rest)
        status: ExecutionStatus = written["status"]
        if time_columns := [name for name in self.status_times.columns_of(status) if name not in written]:
            expressions = self.status_times.expressions(status, timezone.now())
            fields = [field for field in self._meta.concrete_fields if field.name in time_columns]
            values = [*values, *((field, None, expressions[field.name]) for field in fields)]
        writable = _rows_that_may_become(cast("type[StatusModel]", base_qs.model), using, status)
        while not (updated := super()._do_update(writable, using, pk_val, values, *rest)):
            current = base_qs.filter(pk=pk_val).values_list("status", flat=True).first()
            if current is None:
                break  # the row does not exist: Django inserts it or raises
            try:
                check_transition(current, status)
            except IllegalTransition as error:
                raise RefusedBeforeWrite(error) from None
            # Another writer has just made the change legal: try again.
        return updated


@cache
def _rows_that_may_become(model: type[StatusModel], using: str | None, status: ExecutionStatus) -> models.QuerySet[Any]:
    """All rows whose status may change to this one. Cached, because building this condition costs as much as building
    the rest of the query of a save."""
    return model._base_manager.using(using).filter(status__in=sorted(allowed_before(status)))


def status_constraint(name: str) -> models.CheckConstraint:
    """The database accepts only the values of the enum."""
    statuses = [status.value for status in ExecutionStatus]
    return models.CheckConstraint(name=name, condition=models.Q(status__in=statuses))
