"""`bulk_update()`: all rows or none, one signal; each object may have its own status."""

from datetime import UTC, datetime

import pytest
from django.db import transaction
from django.db.models import F

from executions.models import GraphExecution
from executions.statuses import IllegalTransition
from executions.storable import UnstorableValue
from tests.executions.conftest import Received
from tests.executions.recording.conftest import ALL, events_of, statuses

pytestmark = pytest.mark.django_db


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def test_bulk_update_sends_one_event_a_row_and_each_row_may_have_its_own_status(
    executions: list[GraphExecution], received: Received
) -> None:
    new = ["RUNNING", "FAILED", "TERMINATED", "QUEUED", "RUNNING", "FAILED"]
    for row, status in zip(executions, new, strict=True):
        row.status, row.outputs = status, {"status": [status]}
    assert ALL.bulk_update(reversed(executions), ["status", "outputs"], batch_size=4) == 6
    assert [sent.is_bulk for sent in received] == [True]
    assert [event.status for event in received.events] == new
    assert received.events == events_of(executions)
    # The times follow the status in the rows and on the objects.
    for row in executions:
        row_again = ALL.get(pk=row.pk)
        assert (row.started_at, row.ended_at) == (row_again.started_at, row_again.ended_at)
        assert (row.started_at is not None) == (row.status == "RUNNING")
        assert (row.ended_at is not None) == (row.status in ("FAILED", "TERMINATED"))


def test_bulk_update_with_stale_objects_keeps_the_times_of_the_rows(executions: list[GraphExecution]) -> None:
    first, second = executions[:2]
    ALL.filter(pk=first.pk).update(status="RUNNING", started_at=LONG_AGO)
    first.status, second.status = "RUNNING", "TERMINATED"
    ALL.bulk_update([first, second], ["status"])
    assert ALL.get(pk=first.pk).started_at == first.started_at == LONG_AGO
    assert ALL.get(pk=second.pk).started_at is None


def test_bulk_update_keeps_given_times(executions: list[GraphExecution]) -> None:
    first, second = executions[:2]
    first.status, first.started_at = "RUNNING", LONG_AGO
    second.status = "RUNNING"
    ALL.bulk_update([first, second], ["status", "started_at"])
    assert ALL.get(pk=first.pk).started_at == LONG_AGO
    assert ALL.get(pk=second.pk).started_at


def test_bulk_update_with_one_illegal_status_changes_nothing(
    executions: list[GraphExecution], received: Received
) -> None:
    for row in executions:
        row.status = "RUNNING"
    executions[4].status = "REVIEW"
    with transaction.atomic():
        with pytest.raises(IllegalTransition, match="REVIEW may not follow QUEUED"):
            ALL.bulk_update(executions, ["status"])
        assert statuses() == {"QUEUED"}
    assert received == []
    assert {row.started_at for row in executions} == {None}
    executions[4].status = F("runner")
    with pytest.raises(ValueError, match="constant"):
        ALL.bulk_update(executions, ["status"])


def test_bulk_update_takes_the_first_object_of_a_row_and_skips_deleted_rows(
    executions: list[GraphExecution], received: Received
) -> None:
    row = executions[0]
    again = GraphExecution(pk=str(row.pk), status="FAILED")
    gone = GraphExecution(status="RUNNING")
    row.status = "RUNNING"
    assert ALL.bulk_update([row, again, gone], ["status"], batch_size=1) == 1
    assert received.event.status == "RUNNING"


def test_bulk_update_of_a_filtered_queryset_writes_only_matching_rows(
    executions: list[GraphExecution], received: Received
) -> None:
    for row in executions:
        row.status = "RUNNING"
    assert ALL.filter(preset_id__in=["1", "2"]).bulk_update(executions, ["status"]) == 2
    assert sorted(event.preset_id for event in received.events) == ["1", "2"]


def test_bulk_update_of_other_fields_sends_no_signal(executions: list[GraphExecution], received: Received) -> None:
    for row in executions:
        row.runner = "r1"
    assert ALL.bulk_update(executions, ["runner"]) == 6
    assert received == []
    assert set(ALL.values_list("runner", flat=True)) == {"r1"}


def test_bulk_update_writes_json_null_and_expressions_as_django_does(
    executions: list[GraphExecution], received: Received
) -> None:
    first, second, *_ = executions
    first.stats, second.stats = {"cost": 3}, None
    first.graph_version, second.graph_version = F("graph_version") + 1, 7
    ALL.bulk_update([first, second], ["stats", "graph_version"])
    assert [(event.stats and event.stats.cost, event.graph_version) for event in received.events] == [(3, 2), (None, 7)]
    assert ALL.filter(stats__isnull=True).count() == 5


def test_bulk_update_refuses_values_that_django_or_json_refuses(
    executions: list[GraphExecution], received: Received
) -> None:
    executions[0].outputs = {"result": [float("inf")]}
    with pytest.raises(UnstorableValue, match="holds Infinity"), transaction.atomic():
        ALL.bulk_update(executions, ["outputs"])
    with pytest.raises(ValueError, match="primary key"):
        ALL.bulk_update(executions, ["id"])
    with pytest.raises(ValueError, match="Field names must be given"):
        ALL.bulk_update(executions, [])
    executions[0].pk = None
    with pytest.raises(ValueError, match="must have a primary key"):
        ALL.bulk_update(executions, ["outputs"])
    assert ALL.bulk_update([], ["status"]) == 0
    assert received == []
