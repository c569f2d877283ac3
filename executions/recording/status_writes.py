"""How a write of a status is checked, and how it sets the times that follow the status."""

from collections.abc import Mapping, Set
from typing import Any

from django.db import models
from django.utils import timezone

from executions.recording.change import RefusedBeforeWrite
from executions.recording.status_times import StatusTimes
from executions.statuses import ExecutionStatus, IllegalTransition, check_transition


def constant_status(value: Any) -> ExecutionStatus:
    """The status to write. Raises ValueError for an expression and for a value that is not a status."""
    if hasattr(value, "resolve_expression"):
        raise ValueError("status can only be written as a constant: what may follow is checked before it is written.")
    return ExecutionStatus(value)


def check_statuses(old: Mapping[Any, str], new: Mapping[Any, ExecutionStatus]) -> None:
    """Checks the change of each row; both mappings are primary key → status. An illegal one raises
    `RefusedBeforeWrite` with an IllegalTransition whose note names the row."""
    for pk, old_status in old.items():
        try:
            check_transition(old_status, new[pk])
        except IllegalTransition as error:
            error.add_note(f"Of the row {pk}.")
            raise RefusedBeforeWrite(error) from None


def times_to_update(times: StatusTimes | None, status: ExecutionStatus, given: Mapping[str, Any]) -> dict[str, Any]:
    """The time columns that `update(status=...)` writes too: column → value. A time that the caller gives is kept,
    except that a status that is not an end clears the time of the end."""
    follow = times.expressions(status, timezone.now()) if times else {}
    return {name: value for name, value in follow.items() if value is None or given.get(name) is None}


def set_times(
    objs: Mapping[Any, models.Model],
    times: StatusTimes,
    statuses: Mapping[Any, ExecutionStatus],
    rows: Mapping[Any, Mapping[str, Any]],
    given: Set[str],
) -> set[str]:
    """Sets the times that follow the statuses on the objects of a `bulk_update()`. Returns the columns to write.

    `rows` is primary key → column → value of the locked rows. `given` names the fields that the caller writes.
    """
    now = timezone.now()
    columns = {column for pk in rows for column in times.columns_of(statuses[pk])}
    for pk, row in rows.items():
        for column in columns - given:
            setattr(objs[pk], column, row[column])
        own_times = {column: getattr(objs[pk], column) for column in times.columns}
        for column, value in times.values(statuses[pk], own_times, now).items():
            setattr(objs[pk], column, value)
    return columns
