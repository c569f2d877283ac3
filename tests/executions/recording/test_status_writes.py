"""The check of a written status, and the times that a bulk write sets with it."""

from datetime import UTC, datetime

import pytest
from django.db.models import F, Value
from django.utils import timezone

from executions.models import NodeExecution
from executions.recording.change import RefusedBeforeWrite
from executions.recording.status_times import StatusTimes
from executions.recording.status_writes import check_statuses, constant_status, set_times, times_to_update
from executions.statuses import ExecutionStatus, IllegalTransition

EARLIER, NOW = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)
TIMES = StatusTimes(queued="queue_time", running="start_time", ended="end_time")


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)


def test_a_status_must_be_a_constant_of_the_enum() -> None:
    assert constant_status("RUNNING") is ExecutionStatus.RUNNING
    for expression in (F("status"), Value("RUNNING")):
        with pytest.raises(ValueError, match="status can only be written as a constant"):
            constant_status(expression)
    with pytest.raises(ValueError, match="'DONE' is not a valid ExecutionStatus"):
        constant_status("DONE")


def test_an_illegal_change_names_its_row_and_is_refused_before_the_write() -> None:
    new = dict.fromkeys("ab", ExecutionStatus.COMPLETED)
    check_statuses({"a": "RUNNING", "b": "COMPLETED"}, new)
    with pytest.raises(RefusedBeforeWrite) as caught:
        check_statuses({"a": "RUNNING", "b": "QUEUED"}, new)
    assert isinstance(caught.value.error, IllegalTransition)
    assert caught.value.error.__notes__ == ["Of the row b."]


def test_an_update_keeps_a_given_time_but_clears_the_end_of_a_run_that_continues() -> None:
    assert times_to_update(None, ExecutionStatus.RUNNING, {}) == {}
    assert set(times_to_update(TIMES, ExecutionStatus.RUNNING, {})) == {"start_time", "end_time"}
    given = {"start_time": EARLIER, "end_time": EARLIER}
    assert times_to_update(TIMES, ExecutionStatus.RUNNING, given) == {"end_time": None}
    assert times_to_update(TIMES, ExecutionStatus.FAILED, given) == {}


def test_the_objects_of_a_bulk_update_get_the_times_of_their_rows_unless_times_are_given() -> None:
    row = {"queue_time": EARLIER, "start_time": EARLIER, "end_time": None}
    statuses = {"a": ExecutionStatus.RUNNING, "b": ExecutionStatus.FAILED}

    def objects() -> dict[str, NodeExecution]:
        return {pk: NodeExecution(node_id=pk) for pk in statuses}

    stale = objects()
    assert set_times(stale, TIMES, statuses, dict.fromkeys(statuses, row), set()) == {"start_time", "end_time"}
    assert [(each.start_time, each.end_time) for each in stale.values()] == [(EARLIER, None), (EARLIER, NOW)]
    given = objects()
    set_times(given, TIMES, statuses, dict.fromkeys(statuses, row), {"start_time"})
    assert [(each.start_time, each.end_time) for each in given.values()] == [(NOW, None), (None, NOW)]
