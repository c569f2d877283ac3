"""Rows and helpers for the tests of bulk writes."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from executions.models import Graph, GraphExecution

ALL = GraphExecution.objects


@pytest.fixture
def executions(graph: Graph, user: User) -> list[GraphExecution]:
    """Six executions in the order of their primary keys, which differs from the order of their creation."""
    made = [ALL.create(graph=graph, user=user, preset_id=str(number)) for number in range(6)]
    return sorted(made, key=lambda each: each.pk)


def events_of(rows: list[GraphExecution]) -> list[Any]:
    return [ALL.get(pk=row.pk).to_event() for row in sorted(rows, key=lambda each: each.pk)]


def statuses() -> set[str]:
    return set(ALL.values_list("status", flat=True))
