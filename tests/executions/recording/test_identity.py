"""A row stays in its streams: no write gives a row another user, graph or execution."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import User
from django.core import serializers
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import NotSupportedError, transaction
from django.db.models import F, OuterRef, Subquery, Value
from django.forms import modelform_factory
from django.utils import timezone

from executions.models import Graph, GraphExecution, NodeExecution, Notification
from executions.recording.identity import FixedField
from executions.services import mark_read
from tests.executions.conftest import Received, Statements

pytestmark = pytest.mark.django_db


class Move(NamedTuple):
    """A row, the name of a field that is fixed, the value that it has and another one."""

    row: Any
    field: str
    same: Any
    other: Any

    @property
    def rows(self) -> Any:
        return type(self.row).objects.filter(pk=self.row.pk)

    @property
    def fresh(self) -> Any:
        return self.rows.get()

    def set(self, value: Any) -> Any:
        row = self.fresh
        setattr(row, self.field, value)
        return row


@pytest.fixture(params=["node", "graph of an execution", "user of an execution", "notification"])
def move(
    request: pytest.FixtureRequest, graph: Graph, execution: GraphExecution, node: NodeExecution, user: User,
    other_user: User,
) -> Move:  # fmt: skip
    other_graph = Graph.objects.create(owner=user, name="Other")
    other_execution = GraphExecution.objects.create(graph=graph, user=user)
    notification = Notification.objects.create(user=user, type="info", event="hey")
    return {
        "node": Move(node, "graph_execution", execution, other_execution),
        "graph of an execution": Move(execution, "graph", graph, other_graph),
        "user of an execution": Move(execution, "user", user, other_user),
        "notification": Move(notification, "user", user, other_user),
    }[request.param]


def nothing_else(row: Any) -> dict[str, Any]:
    """A value of another field, which each model has."""
    return {"type": "warning"} if isinstance(row, Notification) else {"status": row.status}


def save(move: Move, value: Any) -> None:
    move.set(value).save()


def save_partly(move: Move, value: Any) -> None:
    move.set(value).save(update_fields=[move.field])


def save_by_column_name(move: Move, value: Any) -> None:
    row = move.fresh
    setattr(row, f"{move.field}_id", value.pk)
    row.save(update_fields=[f"{move.field}_id"])


def save_a_deferred_row(move: Move, value: Any) -> None:
    row = move.rows.defer(move.field).get()
    setattr(row, move.field, value)
    row.save()


def save_a_row_that_was_not_read(move: Move, value: Any) -> None:
    values = {field.attname: getattr(move.row, field.attname) for field in move.row._meta.concrete_fields}
    row = type(move.row)(**{**values, f"{move.field}_id": value.pk})
    row.save(force_update=True)


def save_an_expression(move: Move, value: Any) -> None:
    row = move.fresh
    setattr(row, f"{move.field}_id", Value(value.pk, output_field=value._meta.pk))
    row.save()


def save_a_subquery(move: Move, value: Any) -> None:
    row = move.fresh
    setattr(row, f"{move.field}_id", Subquery(type(value).objects.filter(pk=value.pk).values("pk")))
    row.save()


def update(move: Move, value: Any) -> None:
    move.rows.update(**{move.field: value})


def update_by_column_name(move: Move, value: Any) -> None:
    move.rows.update(**{f"{move.field}_id": value.pk}, **nothing_else(move.row))


def update_by_a_subquery(move: Move, value: Any) -> None:
    move.rows.update(**{move.field: Subquery(type(value).objects.filter(pk=value.pk).values("pk"))})


def update_by_an_annotation(move: Move, value: Any) -> None:
    annotated = move.rows.annotate(given=Value(value.pk, output_field=value._meta.pk))
    annotated.update(**{move.field: F("given")})


def update_or_create(move: Move, value: Any) -> None:
    type(move.row).objects.update_or_create(pk=move.row.pk, defaults={move.field: value})


def bulk_update(move: Move, value: Any) -> None:
    type(move.row).objects.bulk_update([move.set(value)], [move.field])


def bulk_update_with_more(move: Move, value: Any) -> None:
    type(move.row).objects.bulk_update([move.set(value)], [move.field, *nothing_else(move.row)])


def bulk_update_by_an_expression(move: Move, value: Any) -> None:
    row = move.fresh
    setattr(row, f"{move.field}_id", Value(value.pk, output_field=value._meta.pk))
    type(move.row).objects.bulk_update([row], [move.field])


WRITES: list[Callable[[Move, Any], None]] = [
    save,
    save_partly,
    save_by_column_name,
    save_a_deferred_row,
    save_a_row_that_was_not_read,
    save_an_expression,
    save_a_subquery,
    update,
    update_by_column_name,
    update_by_a_subquery,
    update_by_an_annotation,
    update_or_create,
    bulk_update,
    bulk_update_with_more,
    bulk_update_by_an_expression,
]


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.__name__)
def test_a_row_does_not_move(move: Move, received: Received, write: Callable[[Move, Any], None]) -> None:
    name = move.row._meta.verbose_name
    with transaction.atomic():
        with pytest.raises(FixedField, match=f"The {move.field.replace('_', ' ')} of a {name} cannot change") as caught:
            write(move, move.other)
        assert getattr(move.fresh, move.field) == move.same  # the surrounding transaction continues
    assert isinstance(caught.value, ValueError)
    assert caught.value.field == move.field
    assert f"Create another {name} instead" in str(caught.value)
    assert received == []


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.__name__)
def test_the_value_that_a_row_has_is_no_change(move: Move, write: Callable[[Move, Any], None]) -> None:
    write(move, move.same)
    assert getattr(move.fresh, move.field) == move.same


def test_a_row_stays_where_it_is_by_its_own_column(move: Move) -> None:
    assert move.rows.update(**{move.field: F(move.field)}) == 1
    own = type(move.row).objects.filter(pk=OuterRef("pk")).values(move.field)
    assert move.rows.update(**{move.field: Subquery(own)}) == 1
    row = move.fresh
    setattr(row, f"{move.field}_id", F(f"{move.field}_id"))
    row.save()
    assert getattr(move.fresh, move.field) == move.same


def test_an_unknown_user_or_graph_is_a_move(move: Move) -> None:
    row = move.fresh
    setattr(row, f"{move.field}_id", None)
    with pytest.raises(FixedField):
        row.save()
    with pytest.raises(FixedField):
        move.rows.update(**{move.field: None})
    with pytest.raises(FixedField):
        type(row).objects.bulk_update([row], [move.field])


def test_if_one_row_would_move_no_row_changes(graph: Graph, user: User, other_user: User) -> None:
    mine, others = (GraphExecution.objects.create(graph=graph, user=each) for each in (user, other_user))
    with pytest.raises(FixedField):
        GraphExecution.objects.update(user=user, preset_id="p")
    mine.preset_id = others.preset_id = "p"
    others.user = user
    with pytest.raises(FixedField):
        GraphExecution.objects.bulk_update([mine, others], ["user", "preset_id"], batch_size=1)
    assert set(GraphExecution.objects.values_list("preset_id", flat=True)) == {None}


def test_the_status_is_checked_beside_the_fixed_fields(execution: GraphExecution, other_user: User) -> None:
    """An illegal status and a move, each alone and both together."""
    execution.user, execution.status = other_user, "RUNNING"
    with pytest.raises(FixedField):
        execution.save()
    execution.status = "COMPLETED"
    with pytest.raises(FixedField):
        execution.save()
    execution.refresh_from_db()
    execution.status = "COMPLETED"
    with pytest.raises(ValueError, match="COMPLETED may not follow QUEUED"):
        execution.save()


def test_a_related_manager_moves_no_row(execution: GraphExecution, node: NodeExecution, received: Received) -> None:
    other = GraphExecution.objects.create(graph=execution.graph, user=execution.user)
    received.clear()
    execution.node_executions.add(node)
    assert received.event.graph_exec_id == str(execution.pk)
    for is_bulk in (True, False):
        with pytest.raises(FixedField), transaction.atomic():
            other.node_executions.add(node, bulk=is_bulk)
    node.refresh_from_db()
    assert node.graph_execution_id == execution.pk


def test_bulk_create_updates_no_conflicts(move: Move) -> None:
    with pytest.raises(NotSupportedError):
        type(move.row).objects.bulk_create(
            [move.set(move.other)], update_conflicts=True, unique_fields=["id"], update_fields=[move.field]
        )


@pytest.mark.django_db(transaction=True)
def test_a_fixture_moves_no_row_and_may_change_the_rest(move: Move, received: Received, tmp_path: Path) -> None:
    """Fixtures are not checked otherwise: a status that may not follow is loaded."""
    (fixture,) = json.loads(serializers.serialize("json", [move.fresh]))
    fixture["fields"] |= {"type": "warning"} if isinstance(move.row, Notification) else {"status": "COMPLETED"}
    file = tmp_path / "row.json"
    file.write_text(json.dumps([fixture]))
    call_command("loaddata", file, verbosity=0)
    assert (move.fresh.type if isinstance(move.row, Notification) else move.fresh.status) in ("warning", "COMPLETED")
    fixture["fields"][move.field] = str(move.other.pk)
    file.write_text(json.dumps([fixture]))
    with pytest.raises(FixedField, match=rf"Could not load .*pk={move.row.pk}.* cannot change"):
        call_command("loaddata", file, verbosity=0)
    assert getattr(move.fresh, move.field) == move.same
    assert received == []


def test_a_form_says_that_a_field_is_fixed(move: Move) -> None:
    form_of_field = modelform_factory(type(move.row), fields=[move.field])
    form = form_of_field({move.field: move.other.pk}, instance=move.fresh)
    assert not form.is_valid()
    assert "cannot change" in str(form.errors)
    assert form_of_field({move.field: move.same.pk}, instance=move.fresh).is_valid()
    other_form = modelform_factory(type(move.row), fields=[*nothing_else(move.row)])
    moved = move.set(move.other)
    assert "cannot change" in str(other_form(nothing_else(move.row), instance=moved).errors)
    with pytest.raises(ValidationError, match="cannot change"):
        moved.full_clean()
    move.rows.defer(move.field).get().clean()


def test_a_new_row_may_have_any_value(move: Move) -> None:
    copy = move.set(move.other)
    copy.pk = None
    copy._state.adding = True
    copy.full_clean()
    copy.save()
    assert getattr(copy, move.field) == move.other


def test_the_check_costs_no_statement(
    execution: GraphExecution, node: NodeExecution, user: User, statements: Statements
) -> None:
    notification = Notification.objects.create(user=user, type="info", event="hey")
    for row, verbs in ((execution, ["UPDATE"]), (node, ["UPDATE"]), (notification, ["SELECT", "UPDATE"])):
        with statements:
            row.save()
        assert statements.verbs == verbs
    with statements:
        GraphExecution.objects.update(status="RUNNING")
        mark_read(user)
    assert statements.verbs == ["SELECT", "UPDATE", "SELECT", "SELECT", "SELECT", "UPDATE", "SELECT", "SELECT"]
    with statements:
        Notification.objects.update(event="other words")
        notification.read_at = timezone.now()
        notification.save(update_fields=["read_at"])
    assert statements.verbs == ["UPDATE", "SELECT", "UPDATE", "SELECT"]
