"""What happens once a transaction has committed."""

from typing import Any

import pytest
from django.db import transaction
from pytest_django import DjangoAssertNumQueries

from realtime.log import numbering, store
from realtime.log.types import END, EventDraft, Numbered, StreamRef
from realtime.models import Stream
from realtime.publish import end_stream, publish
from realtime.publishing import after_commit as module
from realtime.publishing.after_commit import number_and_announce, numbered_head
from realtime.publishing.recording import record_events

pytestmark = pytest.mark.django_db(transaction=True)

KEY, OTHER = "u1|orders#7", "u1|orders#8"


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
    record_events([EventDraft("order_changed", "{}", (StreamRef(f"u1|orders#{n}", "order"),)) for n in range(10)])
    assert len(announced) == 10
    assert max(together) == 3


def test_a_stream_is_made_when_it_is_first_looked_at() -> None:
    stream = numbered_head(KEY)
    assert (stream.head, stream.floor) == (0, 0)
    assert stream.epoch == Stream.objects.get().epoch
    assert numbered_head(KEY) == stream


def test_what_was_committed_before_the_look_is_counted() -> None:
    numbered_head(KEY)
    store.insert([EventDraft("order_changed", "{}", (StreamRef(KEY, "order"),))])
    assert numbered_head(KEY).head == 1


def test_a_look_at_an_ended_stream_finds_a_new_one(announced: list[Numbered | str]) -> None:
    publish(KEY, "order_changed", "order", {})
    before = numbered_head(KEY)
    store.insert([EventDraft(END, "null", (StreamRef(KEY, ""),))])
    after = numbered_head(KEY)
    assert after.head == 0
    assert (after.id, after.epoch) != (before.id, before.epoch)


def test_a_look_at_a_settled_stream_is_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    publish(KEY, "order_changed", "order", {})
    with django_assert_num_queries(1):
        numbered_head(KEY)


def test_each_stream_has_an_epoch_of_its_own() -> None:
    assert len({numbered_head(f"u1|orders#{number}").epoch for number in range(20)}) == 20


def test_streams_without_news_are_settled_without_a_word(announced: list[Numbered]) -> None:
    number_and_announce([KEY, OTHER])
    assert not announced
