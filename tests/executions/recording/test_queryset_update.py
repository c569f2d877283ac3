"""`update()`: all rows or none, one signal with an event for each row, in the order of the primary keys."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import FieldDoesNotExist
from django.db import NotSupportedError, transaction
from django.db.models import Case, Count, F, Value, When
from django.db.models.functions import Concat
from django.utils import timezone

from executions.models import GraphExecution, NodeExecution
from executions.statuses import IllegalTransition
from executions.storable import UnstorableValue
from tests.executions.conftest import Received, Statements
from tests.executions.recording.conftest import ALL, events_of, statuses

pytestmark = pytest.mark.django_db


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def test_an_update_sends_one_signal_with_one_event_a_row(executions: list[GraphExecution], received: Received) -> None:
    assert ALL.filter(status="QUEUED").update(status="RUNNING", outputs={"a": [1]}) == 6
    assert [(sent.name, sent.sender, sent.is_bulk) for sent in received] == [
        ("graph_execution_changed", GraphExecution, True)
    ]
    assert received.events == events_of(executions)
    assert {event.status for event in received.events} == {"RUNNING"}


@pytest.mark.parametrize("rows", [ALL.order_by("pk").reverse(), ALL.reverse(), ALL.order_by("-pk", "preset_id")])
def test_the_events_are_in_the_order_of_the_primary_keys_and_not_of_the_queryset(
    executions: list[GraphExecution], received: Received, monkeypatch: pytest.MonkeyPatch, rows: Any
) -> None:
    monkeypatch.setattr("executions.recording.queryset._CHUNK", 2)
    rows.all().update(status="RUNNING")
    assert [event.id for event in received.events] == [str(row.pk) for row in executions]


def test_an_update_of_no_rows_sends_no_signal(executions: list[GraphExecution], received: Received) -> None:
    assert ALL.filter(status="REVIEW").update(status="RUNNING") == 0
    assert ALL.none().update(status="RUNNING") == 0
    assert received == []


def test_an_update_of_other_fields_sends_no_signal(
    executions: list[GraphExecution], received: Received, statements: Statements
) -> None:
    with statements:
        assert ALL.update(runner="r1", lease_expires_at=timezone.now()) == 6
    assert statements.verbs == ["UPDATE"]
    assert received == []


def test_if_one_row_may_not_change_no_row_changes(executions: list[GraphExecution], received: Received) -> None:
    ALL.exclude(pk=executions[3].pk).update(status="RUNNING")
    received.clear()
    with transaction.atomic():
        with pytest.raises(IllegalTransition, match="COMPLETED may not follow QUEUED") as caught:
            ALL.update(status="COMPLETED")
        assert statuses() == {"RUNNING", "QUEUED"}  # the surrounding transaction continues
    assert caught.value.__notes__ == [f"Of the row {executions[3].pk}."]
    assert received == []


@pytest.mark.parametrize("status", [F("runner"), Value("RUNNING"), Case(When(pk=None, then=Value("FAILED")))])
def test_an_update_refuses_an_expression_as_status(
    executions: list[GraphExecution], received: Received, status: Any
) -> None:
    with pytest.raises(ValueError, match="status can only be written as a constant"):
        ALL.update(status=status)
    with pytest.raises(ValueError, match="'DONE' is not a valid ExecutionStatus"):
        ALL.update(status="DONE")
    assert statuses() == {"QUEUED"}
    assert received == []


def test_times_follow_the_status_of_an_update(executions: list[GraphExecution], received: Received) -> None:
    first, *_ = executions
    ALL.filter(pk=first.pk).update(started_at=LONG_AGO)
    before = timezone.now()
    ALL.update(status="RUNNING")
    started = {row.pk: row.started_at for row in ALL.all()}
    assert started.pop(first.pk) == LONG_AGO
    assert all(moment and moment >= before for moment in started.values())
    ALL.update(status="TERMINATED")
    assert not ALL.filter(ended_at__isnull=True).exists()
    ALL.update(status="QUEUED")
    assert not ALL.filter(ended_at__isnull=False).exists()
    ALL.update(status="RUNNING")
    ALL.update(status="COMPLETED", ended_at=LONG_AGO)
    assert set(ALL.values_list("ended_at", flat=True)) == {LONG_AGO}
    assert received.events[-6:] == events_of(executions)


def test_nodes_have_their_own_times(execution: GraphExecution, received: Received) -> None:
    nodes = NodeExecution.objects
    nodes.create(graph_execution=execution, node_id="split", status="INCOMPLETE")
    for status in ("QUEUED", "RUNNING", "COMPLETED"):
        nodes.update(status=status)
    node = nodes.get()
    assert node.queue_time
    assert node.start_time
    assert node.end_time
    assert node.add_time <= node.queue_time <= node.start_time <= node.end_time
    assert received.events[-1] == node.to_event()


def test_expressions_annotations_and_joins_work_as_in_django(
    executions: list[GraphExecution], user: User, received: Received
) -> None:
    NodeExecution.objects.bulk_create(
        [NodeExecution(graph_execution=executions[0], node_id=str(number)) for number in range(3)]
    )
    received.clear()
    annotated = ALL.annotate(label=Concat("preset_id", Value("!"))).filter(label="2!")
    assert annotated.update(preset_id=F("label")) == 1
    assert received.event.preset_id == "2!"
    received.clear()
    assert (
        ALL.annotate(count=Count("node_executions")).filter(count=3).update(graph_version=F("graph_version") + 1) == 1
    )
    assert [(event.id, event.graph_version) for event in received.events] == [(str(executions[0].pk), 2)]
    received.clear()
    assert ALL.filter(node_executions__status="QUEUED").update(is_dry_run=True) == 1  # three joined rows
    assert ALL.filter(graph__owner=user).distinct().order_by("-created_at").update(is_shared=True) == 6
    assert len(received.events) == 7
    assert executions[0].node_executions.filter(graph_execution__user=user).update(status="RUNNING") == 3
    assert [event.status for event in received.events[7:]] == ["RUNNING"] * 3


def test_an_update_refuses_what_django_refuses(executions: list[GraphExecution], received: Received) -> None:
    with pytest.raises(TypeError, match="slice"):
        ALL.order_by("pk")[:2].update(status="RUNNING")
    with pytest.raises(NotSupportedError):
        ALL.filter(status="QUEUED").union(ALL.all()).update(status="RUNNING")
    with pytest.raises(FieldDoesNotExist):
        ALL.update(colour="red")
    assert ALL.update() == 0 or received == []


def test_an_id_cannot_change(executions: list[GraphExecution]) -> None:
    with pytest.raises(ValueError, match="id of a row that has a history cannot change"):
        ALL.filter(pk=executions[0].pk).update(id=uuid4())


def test_an_update_refuses_values_that_cannot_be_stored(executions: list[GraphExecution], received: Received) -> None:
    with pytest.raises(UnstorableValue, match=r"outputs\.result\[0\] holds NaN"), transaction.atomic():
        ALL.update(outputs={"result": [float("nan")]})
    with pytest.raises(UnstorableValue, match=r"preset_id holds the character U\+0000"), transaction.atomic():
        ALL.update(preset_id="\x00")
    assert received == []


def test_an_update_of_any_number_of_rows_is_three_statements(
    executions: list[GraphExecution], statements: Statements
) -> None:
    with statements:
        ALL.update(status="RUNNING")
    assert statements.verbs == ["SELECT", "UPDATE", "SELECT"]


def test_rows_are_read_again_in_chunks(
    executions: list[GraphExecution], received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("executions.recording.queryset._CHUNK", 4)
    assert ALL.update(status="RUNNING") == 6
    assert len(received) == 1
    assert received.events == events_of(executions)
