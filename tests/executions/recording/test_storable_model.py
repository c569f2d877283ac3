"""A row is written as one change, and holds JSON as a read returns it."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.db.models.signals import post_save

from executions.models import Graph, GraphExecution, NodeExecution
from executions.storable import UnstorableValue
from tests.executions.conftest import Received, Statements

pytestmark = pytest.mark.django_db


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def stored(execution: GraphExecution) -> GraphExecution:
    return GraphExecution.objects.get(pk=execution.pk)


def test_the_event_holds_values_as_the_row_stores_them(graph: Graph, user: User, received: Received) -> None:
    """Ids, numbers and times may be given as text. The event holds them in the types that a read returns."""
    execution = GraphExecution(
        graph_id=str(graph.pk),
        user_id=str(user.pk),
        graph_version="3",
        preset_id=7,
        started_at="2024-05-06T07:08:09+02:00",
        is_shared=1,
        inputs={"at": LONG_AGO, "price": Decimal("1.10"), "pair": (1, 2), 3: "three"},
    )
    execution.save()
    assert received.event == stored(execution).to_event()
    assert received.event.inputs == {"at": "2020-01-01T00:00:00Z", "price": "1.10", "pair": [1, 2], "3": "three"}
    assert execution.inputs == received.event.inputs
    assert (received.event.preset_id, received.event.graph_version) == ("7", 3)


def test_a_save_of_a_deleted_row_inserts_it_again_as_in_django(execution: GraphExecution, received: Received) -> None:
    lost = stored(execution)
    execution.delete()
    received.clear()
    lost.status = "COMPLETED"
    lost.save()
    assert received.event.status == "COMPLETED"


def test_a_partial_save_of_a_deleted_row_is_an_error(execution: GraphExecution, received: Received) -> None:
    lost = stored(execution)
    execution.delete()
    received.clear()
    with pytest.raises(DatabaseError, match="did not affect any rows"), transaction.atomic():
        lost.save(update_fields=["status"])
    assert received == []


@pytest.mark.django_db(transaction=True)
def test_is_last_before_commit_is_true_only_right_before_the_commit(
    execution: GraphExecution, received: Received
) -> None:
    execution.save()
    NodeExecution.objects.create(graph_execution=execution, node_id="split")
    assert [sent.is_last_before_commit for sent in received] == [True, True]
    received.clear()
    with transaction.atomic():
        execution.save()
        NodeExecution.objects.create(graph_execution=execution, node_id="split")
    GraphExecution.objects.filter(pk=execution.pk).update(runner="r1", outputs={"a": [1]})
    assert [sent.is_last_before_commit for sent in received] == [False, False, False]


@pytest.mark.django_db(transaction=True)
def test_a_save_is_not_last_before_the_commit_if_another_app_receives_post_save(
    execution: GraphExecution, received: Received
) -> None:
    def receive(**kwargs: Any) -> None:
        pass

    post_save.connect(receive, sender=GraphExecution)
    try:
        execution.save()
        NodeExecution.objects.create(graph_execution=execution, node_id="split")
    finally:
        post_save.disconnect(receive, sender=GraphExecution)
    execution.save()
    assert [sent.is_last_before_commit for sent in received] == [False, True, True]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("outputs", {"result": [1, float("nan")]}, "outputs.result[1] holds NaN"),
        ("inputs", {"a": "\x00"}, "inputs.a holds the character U+0000"),
        ("definition", {"a": "\ud800"}, "definition.a holds a lone surrogate"),
        ("preset_id", "a\x00b", "preset_id holds the character U+0000"),
        ("runner", "x" * 256, "runner holds 256 characters; 255 are the most"),
    ],
)
def test_a_value_that_cannot_be_stored_is_refused_before_the_database_is_asked(
    execution: GraphExecution, received: Received, statements: Statements, field: str, value: Any, message: str
) -> None:
    setattr(execution, field, value)
    with statements, pytest.raises(UnstorableValue) as caught, transaction.atomic():
        execution.save()
    assert str(caught.value).startswith(message)
    assert statements.verbs == []
    assert received == []


def test_a_form_refuses_values_that_cannot_be_stored(execution: GraphExecution) -> None:
    execution.outputs = {"report": [float("inf")]}
    with pytest.raises(ValidationError, match=r"outputs.report\[0\] holds Infinity"):
        execution.full_clean()
