"""When the fields for text and JSON check a value. test_storable.py tests which values they refuse."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Value
from django.forms import modelform_factory

from executions.fields import CharField, JSONField, TextField
from executions.models import Graph, NodeExecution, Notification
from executions.storable import UnstorableValue

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("field", "value"),
    [("input_data", {"a": "\x00"}), ("node_id", "\x00"), ("block_id", "x" * 256), ("block_id", "\ud800")],
)
def test_every_kind_of_write_refuses_the_same_values(node: NodeExecution, field: str, value: Any) -> None:
    setattr(node, field, value)
    other = NodeExecution(graph_execution=node.graph_execution, node_id="x")
    setattr(other, field, value)
    rows = NodeExecution.objects
    for write in (
        lambda: node.save(),
        lambda: node.save(update_fields=[field]),
        lambda: other.save(),
        lambda: rows.update(**{field: value}),
        lambda: rows.bulk_create([other]),
        lambda: rows.bulk_update([node], [field]),
        lambda: rows.update_or_create(pk=node.pk, defaults={field: value}),
    ):
        with pytest.raises(UnstorableValue, match=rf"^{field}"), transaction.atomic():
            write()
    with pytest.raises(ValidationError) as caught:
        node.full_clean()
    assert field in caught.value.message_dict


def test_a_text_without_limit_is_checked_too(user: Any) -> None:
    with pytest.raises(UnstorableValue, match=r"^event holds the character U\+0000"):
        Notification.objects.create(user=user, type="info", event="a\x00b")


def test_a_value_in_a_comparison_is_not_checked(node: NodeExecution) -> None:
    assert not NodeExecution.objects.filter(node_id="x" * 300).exists()
    assert not NodeExecution.objects.filter(input_data={"a": 1}).exists()
    assert not NodeExecution.objects.filter(input_data__a=1).exists()


def test_an_expression_is_not_checked(node: NodeExecution) -> None:
    NodeExecution.objects.update(block_id=Value("y"), input_data=Value({"a": 1}, JSONField()))
    node.refresh_from_db()
    assert (node.block_id, node.input_data) == ("y", {"a": 1})


@pytest.mark.parametrize("value", [{"a": [1, "😀", None, {"b": 1.5}]}, {}, {"text": "\\u0000 written out"}])
def test_json_is_read_as_it_was_written(node: NodeExecution, value: Any) -> None:
    node.input_data = value
    node.save()
    assert NodeExecution.objects.get().input_data == value


def test_migrations_name_the_fields_of_this_app() -> None:
    name, path, args, kwargs = Graph._meta.get_field("nodes").deconstruct()
    assert (name, path, args, kwargs) == ("nodes", "executions.fields.JSONField", [], {"blank": True, "default": list})
    assert isinstance(Graph._meta.get_field("name"), CharField)
    assert isinstance(Graph._meta.get_field("description"), TextField)


@pytest.mark.parametrize(
    "text", ["[" + "{}," * 200_000 + "{}]", "[" * 100_000, "9" * 5_000, '{"a":' * 5_000, "{", "\ufeff[]"]
)
def test_a_form_field_refuses_what_is_not_bounded_json(text: str) -> None:
    form = modelform_factory(Graph, fields=["nodes"])({"nodes": text})
    assert form.errors["nodes"] == ["Enter valid JSON, of at most 100,000 values and 400 levels."]
    assert form.has_changed()
    assert form["nodes"].value() == text  # shown again


def test_a_form_field_takes_json() -> None:
    form = modelform_factory(Graph, fields=["nodes"])({"nodes": '[{"id": "a", "block_id": "b"}]'})
    assert form.fields["nodes"].clean('[{"id": "ä"}]') == [{"id": "ä"}]
    assert "nodes" not in form.errors
