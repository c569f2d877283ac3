"""Which times follow a status. The values and the SQL expressions agree."""

from datetime import UTC, datetime
from itertools import product

import pytest
from django.utils import timezone

from executions.models import GraphExecution, NodeExecution
from executions.recording.status_times import StatusTimes
from executions.statuses import ENDED, ExecutionStatus

EARLIER, NOW = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)
TIMES = StatusTimes(queued="queue_time", running="start_time", ended="end_time")
NONE: dict[str, datetime | None] = dict.fromkeys(TIMES.columns)


@pytest.mark.parametrize(
    ("status", "after"),
    [
        ("INCOMPLETE", {"end_time": None}),
        ("QUEUED", {"queue_time": NOW, "end_time": None}),
        ("RUNNING", {"start_time": NOW, "end_time": None}),
        ("REVIEW", {"end_time": None}),
        ("COMPLETED", {"end_time": NOW}),
        ("FAILED", {"end_time": NOW}),
        ("TERMINATED", {"end_time": NOW}),
    ],
)
def test_each_status_sets_its_time_and_clears_the_end_unless_it_is_an_end(
    status: str, after: dict[str, datetime | None]
) -> None:
    assert TIMES.values(ExecutionStatus(status), NONE, NOW) == after


def test_a_time_that_is_set_is_not_changed() -> None:
    present = dict.fromkeys(TIMES.columns, EARLIER)
    assert TIMES.values(ExecutionStatus.RUNNING, present, NOW) == {"start_time": EARLIER, "end_time": None}
    assert TIMES.values(ExecutionStatus.FAILED, present, NOW) == {"end_time": EARLIER}


def test_a_model_may_have_no_column_for_queueing() -> None:
    times = StatusTimes(running="started_at", ended="ended_at")
    assert times.columns == ("started_at", "ended_at")
    assert times.columns_of(ExecutionStatus.QUEUED) == ("ended_at",)


@pytest.mark.django_db
@pytest.mark.parametrize("status", list(ExecutionStatus))
def test_single_and_bulk_writes_set_the_same_times(
    execution: GraphExecution, monkeypatch: pytest.MonkeyPatch, status: ExecutionStatus
) -> None:
    """For all old times, a full save, a partial save, update, bulk_update and bulk_create agree."""
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    columns = TIMES.columns
    for held in product([None, EARLIER], repeat=3):
        present = dict(zip(columns, held, strict=True))
        expected = {**present, **TIMES.values(status, present, NOW)}
        rows = NodeExecution.objects.bulk_create(
            [NodeExecution(graph_execution=execution, node_id="x", status="INCOMPLETE") for _ in range(4)]
        )
        NodeExecution.objects.update(**present, output_data={})
        full, partial, bulk, updated = (NodeExecution.objects.get(pk=row.pk) for row in rows)
        for row in (full, partial, bulk):
            row.status = status
        old = status if status not in ENDED else ExecutionStatus.RUNNING
        with_status(rows, old, present)
        full.save()
        partial.save(update_fields=["status"])
        NodeExecution.objects.bulk_update([bulk], ["status"])
        NodeExecution.objects.filter(pk=updated.pk).update(status=status)
        (created,) = NodeExecution.objects.bulk_create(
            [NodeExecution(graph_execution=execution, node_id="x", status=status, **present)]
        )
        for row in (full, partial, bulk, updated, created):
            row.refresh_from_db()
            assert {column: getattr(row, column) for column in columns} == expected
        NodeExecution.objects.all().delete()


def with_status(rows: list[NodeExecution], status: ExecutionStatus, present: dict[str, datetime | None]) -> None:
    """Writes this state without any check."""
    for row in NodeExecution.objects.filter(pk__in=[row.pk for row in rows]):
        row.status = status
        vars(row).update(present)
        row.save_base(raw=True)
