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


def test_what_the_row_keeps_otherwise_than_it_was_written_is_told_as_it_is_kept(
    graph: Graph, user: User, received: Received
) -> None:
    """Ids as text, numbers as text, a time that is not quite a time: a read gives each in its own type."""
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


def test_a_row_that_is_gone_is_inserted_again_as_django_does(execution: GraphExecution, received: Received) -> None:
    lost = stored(execution)
    execution.delete()
    received.clear()
    lost.status = "COMPLETED"
    lost.save()
    assert received.event.status == "COMPLETED"


def test_a_partial_save_of_a_row_that_is_gone_is_an_error(execution: GraphExecution, received: Received) -> None:
    lost = stored(execution)
    execution.delete()
    received.clear()
    with pytest.raises(DatabaseError, match="did not affect any rows"), transaction.atomic():
        lost.save(update_fields=["status"])
    assert received == []


@pytest.mark.django_db(transaction=True)
def test_a_signal_says_that_the_commit_comes_next_only_where_it_does(
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
def test_the_commit_does_not_come_next_where_another_app_hears_of_the_save(
    execution: GraphExecution, received: Received
) -> None:
    def hear(**kwargs: Any) -> None:
        pass

    post_save.connect(hear, sender=GraphExecution)
    try:
        execution.save()
        NodeExecution.objects.create(graph_execution=execution, node_id="split")
    finally:
        post_save.disconnect(hear, sender=GraphExecution)
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
def test_what_cannot_be_kept_is_refused_before_the_database_is_asked(
    execution: GraphExecution, received: Received, statements: Statements, field: str, value: Any, message: str
) -> None:
    setattr(execution, field, value)
    with statements, pytest.raises(UnstorableValue) as caught, transaction.atomic():
        execution.save()
    assert str(caught.value).startswith(message)
    assert statements.verbs == []
    assert received == []


def test_a_form_refuses_what_cannot_be_kept(execution: GraphExecution) -> None:
    execution.outputs = {"report": [float("inf")]}
    with pytest.raises(ValidationError, match=r"outputs.report\[0\] holds Infinity"):
        execution.full_clean()
