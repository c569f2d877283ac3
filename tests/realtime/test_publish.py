"""Publishing, as an app of the project does it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pydantic import BaseModel
from pytest_django import DjangoAssertNumQueries

from realtime import announcer
from realtime import publish as module
from realtime.log import numbering, store
from realtime.log.types import END, Entry, Numbered, Place
from realtime.models import Stream, StreamEvent
from realtime.publish import as_json, end_stream, open_stream, publish, publish_entries, settle

pytestmark = pytest.mark.django_db(transaction=True)

KEY, OTHER = "u1|orders#7", "u1|orders#8"


class Order(BaseModel):
    id: int
    price: float = 1.0


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[Numbered | str]:
    """What was announced: the numbered events, or the key of a stream that has ended."""
    calls: list[Numbered | str] = []
    monkeypatch.setattr(announcer, "announce", calls.append)
    monkeypatch.setattr(announcer, "announce_end", calls.append)
    return calls


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
        pytest.param(circle(), id="what holds itself"),
    ],
)
def test_data_that_json_cannot_hold_is_a_value_error_and_leaves_nothing(data: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        publish(KEY, "order_changed", "order", data)
    assert not StreamEvent.objects.exists()


def test_the_marker_of_the_end_is_no_event() -> None:
    publish(KEY, "order_changed", "order", {})
    with pytest.raises(ValueError, match="end_stream"):
        publish(KEY, END, "order", {})
    assert open_stream(KEY).head == 1


# Announcements


def test_one_transaction_is_announced_once_a_stream(announced: list[Numbered]) -> None:
    with transaction.atomic():
        for number in range(3):
            publish(KEY, "order_changed", "order", {"n": number})
            publish(OTHER, "order_changed", "order", {"n": number})
    assert [(each.key, [event.seq for event in each.events]) for each in announced] == [
        (KEY, [1, 2, 3]),
        (OTHER, [1, 2, 3]),
    ]


def test_nothing_is_announced_before_the_commit_or_after_a_rollback(announced: list[Numbered]) -> None:
    with transaction.atomic():
        publish(KEY, "order_changed", "order", {})
        assert not announced
        transaction.set_rollback(True)
    assert not announced


def test_nothing_to_publish_does_nothing(
    announced: list[Numbered], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        publish_entries([])
    assert not announced


def test_what_is_published_while_a_commit_is_carried_out_is_announced_too(announced: list[Numbered]) -> None:
    with transaction.atomic():
        transaction.on_commit(lambda: publish(KEY, "order_changed", "order", {"n": 2}))
        publish(KEY, "order_changed", "order", {"n": 1})
        transaction.on_commit(lambda: publish(OTHER, "order_changed", "order", {"n": 3}))
    assert sorted((each.key, event.data) for each in announced for event in each.events) == [
        (KEY, '{"n":1}'),
        (KEY, '{"n":2}'),
        (OTHER, '{"n":3}'),
    ]
    assert not store.unnumbered(10)


def test_two_transactions_are_told_apart(announced: list[Numbered]) -> None:
    publish(KEY, "order_changed", "order", {})
    publish(OTHER, "order_changed", "order", {})
    assert [each.key for each in announced] == [KEY, OTHER]


def test_an_end_is_announced_after_the_last_events(announced: list[Numbered | str]) -> None:
    with transaction.atomic():
        publish(KEY, "order_changed", "order", {})
        end_stream(KEY)
    last, end = announced
    assert isinstance(last, Numbered)
    assert last.key == end == KEY


def test_many_streams_of_one_transaction_are_numbered_in_short_ones(
    announced: list[Numbered], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH", 3)
    together = []
    number = numbering.number

    def note(keys: Any) -> list[Numbered]:
        together.append(len(keys))
        return number(keys)

    monkeypatch.setattr(numbering, "number", note)
    publish_entries([Entry("order_changed", "{}", (Place(f"u1|orders#{n}", "order"),)) for n in range(10)])
    assert len(announced) == 10
    assert max(together) == 3


def verbs_of(work: Callable[[], None]) -> list[str]:
    """The first words of the statements of `work`, less those that begin and end a transaction."""
    with CaptureQueriesContext(connection) as statements:
        work()
    words = [statement["sql"].split()[0] for statement in statements]
    return [word for word in words if word not in ("BEGIN", "COMMIT")]


def test_an_event_on_its_own_costs_one_statement_on_postgresql() -> None:
    def record() -> None:
        publish(KEY, "order_changed", "order", {})

    record()
    number = [] if connection.vendor == "postgresql" else ["SELECT", "UPDATE", "UPDATE"]
    assert verbs_of(record) == ["SELECT" if connection.vendor == "postgresql" else "INSERT", *number]


def test_an_event_of_a_transaction_costs_one_statement_in_it_and_on_postgresql_one_after_it() -> None:
    @transaction.atomic
    def record() -> None:
        publish(KEY, "order_changed", "order", {})

    record()
    number = ["SELECT"] if connection.vendor == "postgresql" else ["SELECT", "UPDATE", "UPDATE"]
    assert verbs_of(record) == ["INSERT", *number]


# Where a stream stands


def test_a_stream_is_made_when_it_is_first_looked_at() -> None:
    stream = open_stream(KEY)
    assert (stream.head, stream.floor) == (0, 0)
    assert stream.epoch == Stream.objects.get().epoch
    assert open_stream(KEY) == stream


def test_what_was_committed_before_the_look_is_counted() -> None:
    open_stream(KEY)
    store.insert([Entry("order_changed", "{}", (Place(KEY, "order"),))])
    assert open_stream(KEY).head == 1


def test_a_look_at_an_ended_stream_finds_a_new_one(announced: list[Numbered | str]) -> None:
    publish(KEY, "order_changed", "order", {})
    before = open_stream(KEY)
    store.insert([Entry(END, "null", (Place(KEY, ""),))])
    after = open_stream(KEY)
    assert after.head == 0
    assert (after.id, after.epoch) != (before.id, before.epoch)


def test_a_look_at_a_settled_stream_is_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    publish(KEY, "order_changed", "order", {})
    with django_assert_num_queries(1):
        open_stream(KEY)


def test_each_stream_has_an_epoch_of_its_own() -> None:
    assert len({open_stream(f"u1|orders#{number}").epoch for number in range(20)}) == 20


def test_streams_without_news_are_settled_without_a_word(announced: list[Numbered]) -> None:
    settle([KEY, OTHER])
    assert not announced


@dataclass
class Shop:
    """The example of the documentation."""

    user_id: int = 1
    pk: int = 7


def test_the_example_of_the_documentation_works() -> None:
    from realtime import streams

    order = Shop()
    with transaction.atomic():
        stream = streams.own("orders", str(order.user_id), str(order.pk))
        publish(stream, "order_shipped", "order", {"id": order.pk})
    assert StreamEvent.objects.get().stream == Stream.objects.get(key="1|orders#7")
