"""Recording events: their JSON, and the number of statements."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pydantic import BaseModel
from pytest_django import DjangoAssertNumQueries

from realtime.log.types import END, NumberedEvents
from realtime.models import StreamEvent
from realtime.publish import publish
from realtime.publishing.after_commit import numbered_head
from realtime.publishing.recording import as_json, record_events

pytestmark = pytest.mark.django_db(transaction=True)

KEY, OTHER = "u1|orders#7", "u1|orders#8"


class Order(BaseModel):
    id: int
    price: float = 1.0


# Data


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, "null"),
        ({}, "{}"),
        ([], "[]"),
        ([1, "é", None, True], '[1,"é",null,true]'),
        ({"a": float("nan"), "b": float("inf"), "c": -0.0}, '{"a":null,"b":null,"c":-0.0}'),
        ({"a": "\0"}, '{"a":"\\u0000"}'),
        (Order(id=7), '{"id":7,"price":1.0}'),
    ],
)
def test_data_becomes_json(data: Any, text: str) -> None:
    publish(KEY, "order_changed", "order", data)
    assert StreamEvent.objects.get().data == as_json(data) == text


def circle() -> list[Any]:
    ring: list[Any] = []
    ring.append(ring)
    return ring


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"a": object()}, id="an object"),
        pytest.param({"a": "\ud800"}, id="a lone surrogate"),
        pytest.param({"\ud800": 1}, id="a lone surrogate as a key"),
        pytest.param(circle(), id="a list that contains itself"),
    ],
)
def test_data_that_json_cannot_hold_is_a_value_error_and_leaves_nothing(data: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        publish(KEY, "order_changed", "order", data)
    assert not StreamEvent.objects.exists()


def test_the_end_marker_cannot_be_published() -> None:
    publish(KEY, "order_changed", "order", {})
    with pytest.raises(ValueError, match="end_stream"):
        publish(KEY, END, "order", {})
    assert numbered_head(KEY).head == 1


def test_recording_no_events_runs_no_query(
    announced: list[NumberedEvents], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        record_events([])
    assert not announced


def verbs_of(work: Callable[[], None]) -> list[str]:
    """The first words of the statements of `work`, without BEGIN and COMMIT."""
    with CaptureQueriesContext(connection) as statements:
        work()
    words = [statement["sql"].split()[0] for statement in statements]
    return [word for word in words if word not in ("BEGIN", "COMMIT")]


def test_an_event_outside_a_transaction_is_one_statement_on_postgresql() -> None:
    def record() -> None:
        publish(KEY, "order_changed", "order", {})

    record()
    number = [] if connection.vendor == "postgresql" else ["SELECT", "UPDATE", "UPDATE"]
    assert verbs_of(record) == ["SELECT" if connection.vendor == "postgresql" else "INSERT", *number]


def test_an_event_of_a_transaction_is_one_statement_in_it_and_one_after_it_on_postgresql() -> None:
    @transaction.atomic
    def record() -> None:
        publish(KEY, "order_changed", "order", {})

    record()
    number = ["SELECT"] if connection.vendor == "postgresql" else ["SELECT", "UPDATE", "UPDATE"]
    assert verbs_of(record) == ["INSERT", *number]
