"""Any number of rows of one model in one statement."""

import itertools
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from executions.models import Graph, GraphExecution, NodeExecution
from executions.reporting import bulk_sql
from tests.executions.conftest import Received, Statements

pytestmark = pytest.mark.django_db

JSON: list[Any] = [
    *({}, [], None, "text", 0, -1.5, 1e-7, 10**30, True, False, {"a": None}, [None]),
    *({"\u00e9 \u2028 \U0001f600": ["'", '"', "\\", "%s", "\n"]}, {"deep": [[[[{"x": {}}]]]]}, "null", "{}"),
]
TEXT = ["", "a", "it's", '"', "\\", "%s %(a)s", "\n", "\u00e9\U0001f600", "\x01", "null", "1"]


def made(graph: Graph, **values: Any) -> GraphExecution:
    return GraphExecution(graph=graph, user=graph.owner, **values)


def written(row: Any) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_every_value_is_stored_as_a_save_stores_it(graph: Graph) -> None:
    now, texts = timezone.now(), itertools.cycle(TEXT)
    executions = []
    for each in JSON:
        text = next(texts)
        executions.append(
            made(
                graph,
                inputs=each or {},
                outputs=[each],
                stats=each,
                runner=text,
                preset_id=text,
                is_shared=each is True,
            )
        )
    executions.append(made(graph, started_at=now, ended_at=now.replace(microsecond=0), lease_seconds=5, preset_id=None))
    bulk_sql.insert(executions, "default")
    for each in executions:
        assert each._state.adding is False
        stored = GraphExecution.objects.get(pk=each.pk)
        assert written(stored) == written(each)
        assert type(stored.stats) is type(each.stats)
    # A query on the columns finds the values that a save would have written.
    saved = made(graph, inputs={"a": {"b": [1]}}, stats=None)
    saved.save()
    saved.pk = uuid4()
    bulk_sql.insert([saved], "default")
    assert GraphExecution.objects.filter(inputs__a__b=[1], stats__isnull=True, user=graph.owner).count() == 2


def test_only_the_named_fields_of_the_rows_are_written(graph: Graph, user: User) -> None:
    one, two, other = (GraphExecution.objects.create(graph=graph, user=user, runner="r") for _ in range(3))
    for number, each in enumerate((one, two, other)):
        each.outputs, each.runner, each.started_at = {"n": [number]}, "not written", timezone.now()
    bulk_sql.update([one, two], ["outputs", "started_at"], "default")
    for each in (one, two):
        stored = GraphExecution.objects.get(pk=each.pk)
        assert (stored.outputs, stored.started_at, stored.runner) == (each.outputs, each.started_at, "r")
    other.refresh_from_db()
    assert (other.outputs, other.started_at) == ({}, None)


def test_any_number_of_rows_is_one_statement_and_no_signal(
    execution: GraphExecution, received: Received, statements: Statements
) -> None:
    nodes = [NodeExecution(graph_execution=execution, node_id=str(number)) for number in range(2_000)]
    with statements:
        bulk_sql.insert(nodes, "default")
        for each in nodes:
            each.output_data = {"x": [each.node_id]}
        bulk_sql.update(nodes, ["output_data"], "default")
    assert statements.verbs == ["INSERT", "UPDATE"]
    assert all(node.output_data == {"x": [node.node_id]} for node in NodeExecution.objects.all())
    assert received == []


def test_no_rows_need_no_statement(statements: Statements) -> None:
    with statements:
        bulk_sql.insert([], "default")
        bulk_sql.update([], ["status"], "default")
    assert statements.verbs == []


def test_an_insert_that_violates_a_constraint_fails(execution: GraphExecution) -> None:
    node = NodeExecution(graph_execution=execution, node_id="a")
    bulk_sql.insert([node], "default")
    for wrong in (node, NodeExecution(graph_execution=execution, node_id="a", status="DONE")):
        with pytest.raises(IntegrityError), transaction.atomic():
            bulk_sql.insert([wrong], "default")
    assert connection.is_usable()
    assert NodeExecution.objects.count() == 1
