"""Each signalling model declares what the queryset needs of it."""

from typing import Any

import pytest
from django.dispatch import Signal

from executions.models import GraphExecution, NodeExecution, Notification
from executions.recording.contract import ModelWithEvents
from executions.recording.queryset import SignallingQuerySet
from tests.executions.conftest import Statements

MODELS: list[type[ModelWithEvents]] = [GraphExecution, NodeExecution, Notification]


@pytest.mark.parametrize("model", MODELS)
def test_the_declared_fields_are_fields_of_the_model(model: type[ModelWithEvents]) -> None:
    names = {field.name for field in model._meta.concrete_fields}
    assert model.trigger_fields | model.event_fields <= names
    assert model.identity_fields <= model.event_fields
    assert model.old_value_field in model.trigger_fields
    assert set(model.status_times.columns if model.status_times else ()) <= model.event_fields


@pytest.mark.parametrize("model", MODELS)
def test_a_model_declares_its_signals_and_has_the_queryset_as_both_managers(model: type[ModelWithEvents]) -> None:
    for signal in (model.created_signal, model.changed_signal, model.deleted_signal):
        assert isinstance(signal, Signal)
    for manager in (model._default_manager, model._base_manager):
        assert isinstance(manager.all(), SignallingQuerySet)


@pytest.mark.django_db
def test_one_query_reads_what_the_events_of_all_rows_need(
    execution: GraphExecution, node: NodeExecution, user: Any, statements: Statements
) -> None:
    Notification.objects.create(user=user, type="info", event="x")
    for model in MODELS:
        with statements:
            (row,) = model.rows_with_events("default")
            assert row.to_event()
            assert row.deleted_event()
        assert statements.verbs == ["SELECT"]


def test_a_model_must_say_how_a_row_becomes_an_event() -> None:
    for method in (ModelWithEvents.to_event, ModelWithEvents.deleted_event):
        with pytest.raises(NotImplementedError):
            method(GraphExecution())
