"""Graph executions: their events and the constraints of their table."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from pytest_django import Settings

from executions.events import GraphExecutionDeleted, GraphExecutionEvent
from executions.models import Graph, GraphExecution
from executions.models.graph_execution import ORIGIN

pytestmark = pytest.mark.django_db
MOMENT = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
ORIGINS = {name: f"the {name}" for name in ORIGIN}


def test_an_event_holds_every_field(graph: Graph, user: User) -> None:
    execution = GraphExecution.objects.create(
        graph=graph,
        user=user,
        graph_version=4,
        definition=graph.definition,
        preset_id="preset-1",
        status="COMPLETED",
        started_at=MOMENT,
        ended_at=MOMENT,
        stats={"cost": 12, "duration": 1.5, "tokens": 99},
        inputs={"text": "x"},
        credential_inputs={"key": {"id": "c1"}},
        nodes_input_masks={"split": {"text": "y"}},
        outputs={"report": ["# Report"]},
        is_shared=True,
        share_token="token",
        is_dry_run=True,
        **ORIGINS,
        runner="r1",
        lease_expires_at=MOMENT,
    )
    assert execution.to_event() == GraphExecutionEvent(
        id=str(execution.pk),
        user_id=str(user.pk),
        graph_id=str(graph.pk),
        graph_version=4,
        preset_id="preset-1",
        status="COMPLETED",
        started_at=MOMENT,
        ended_at=MOMENT,
        stats=GraphExecutionEvent.Stats(cost=12, duration=1.5, tokens=99),
        inputs={"text": "x"},
        credential_inputs=None,
        nodes_input_masks={"split": {"text": "y"}},
        outputs={"report": ["# Report"]},
        is_shared=True,
        share_token="token",
        is_dry_run=True,
        **ORIGINS,
    )
    assert execution.deleted_event() == GraphExecutionDeleted(
        id=str(execution.pk), user_id=str(user.pk), graph_id=str(graph.pk), is_shared=True
    )


def test_credential_inputs_are_in_no_event_unless_asked_for(settings: Settings, graph: Graph, user: User) -> None:
    execution = GraphExecution(user=user, graph=graph, credential_inputs={"key": {"secret": "s3cret"}})
    assert execution.to_event().credential_inputs is None
    settings.EXECUTIONS = {"SHOW_CREDENTIAL_INPUTS": True}
    assert execution.to_event().credential_inputs == {"key": {"secret": "s3cret"}}


def test_every_field_of_the_event_is_a_trigger() -> None:
    relations = {"user_id": "user", "graph_id": "graph"}
    columns = {relations.get(name, name) for name in GraphExecutionEvent.model_fields}
    assert GraphExecution.event_fields == columns - {"event_type", "id"}
    assert GraphExecution.trigger_fields == GraphExecution.event_fields | {"share_expires_at"}


def test_a_row_for_an_event_needs_no_further_query(
    execution: GraphExecution, django_assert_num_queries: pytest.FixtureRequest
) -> None:
    with django_assert_num_queries(1):  # type: ignore[operator]
        (row,) = GraphExecution.rows_with_events("default")
        row.to_event()
    unread = {"definition", "attempt", "created_at", "runner", "lease_expires_at", "lease_seconds", "queued_bytes"}
    assert row.get_deferred_fields() == unread | {"share_expires_at"}


def test_a_share_token_is_unique_and_may_be_missing(graph: Graph, user: User) -> None:
    for token in (None, None, "token"):
        GraphExecution.objects.create(graph=graph, user=user, share_token=token)
    with pytest.raises(IntegrityError), transaction.atomic():
        GraphExecution.objects.create(graph=graph, user=user, share_token="token")


@pytest.mark.parametrize("values", [{"graph_version": 0}, {"attempt": 0}])
def test_versions_and_attempts_start_at_1(execution: GraphExecution, values: dict[str, int]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        GraphExecution.objects.update(**values)


def test_the_name_of_an_execution_is_its_id(execution: GraphExecution) -> None:
    assert str(execution) == str(execution.pk)
