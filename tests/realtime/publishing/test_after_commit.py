"""After a commit, events are numbered and announced."""

from typing import Any

import pytest
from django.db import transaction
from pytest_django import DjangoAssertNumQueries

from realtime.log import numbering, store
from realtime.log.types import END, EventDraft, NumberedEvents, StreamRef
from realtime.models import Stream
from realtime.publish import end_stream, publish
from realtime.publishing import after_commit as module
from realtime.publishing.after_commit import number_and_announce, numbered_head
from realtime.publishing.recording import record_events

pytestmark = pytest.mark.django_db(transaction=True)

KEY, OTHER = "u1|orders#7", "u1|orders#8"


def test_a_transaction_makes_one_announcement_for_each_stream(announced: list[NumberedEvents]) -> None:
    with transaction.atomic():
        for number in range(3):
            publish(KEY, "order_changed", "order", {"n": number})
            publish(OTHER, "order_changed", "order", {"n": number})
    assert [(each.key, [event.seq for event in each.events]) for each in announced] == [
        (KEY, [1, 2, 3]),
        (OTHER, [1, 2, 3]),
    ]


def test_nothing_is_announced_before_the_commit_or_after_a_rollback(announced: list[NumberedEvents]) -> None:
    with transaction.atomic():
        publish(KEY, "order_changed", "order", {})
        assert not announced
        transaction.set_rollback(True)
    assert not announced


def test_events_that_are_published_in_commit_hooks_are_announced(announced: list[NumberedEvents]) -> None:
    with transaction.atomic():
        transaction.on_commit(lambda: publish(KEY, "order_changed", "order", {"n": 2}))
        publish(KEY, "order_changed", "order", {"n": 1})
        transaction.on_commit(lambda: publish(OTHER, "order_changed", "order", {"n": 3}))
    assert sorted((each.key, event.data) for each in announced for event in each.events) == [
        (KEY, '{"n":1}'),
        (KEY, '{"n":2}'),
        (OTHER, '{"n":3}'),
    ]
    assert not store.find_unnumbered(10)


def test_two_transactions_make_two_announcements(announced: list[NumberedEvents]) -> None:
    publish(KEY, "order_changed", "order", {})
    publish(OTHER, "order_changed", "order", {})
    assert [each.key for each in announced] == [KEY, OTHER]


def test_an_end_is_announced_after_the_last_events(announced: list[NumberedEvents | str]) -> None:
    with transaction.atomic():
        publish(KEY, "order_changed", "order", {})
        end_stream(KEY)
    last, end = announced
    assert isinstance(last, NumberedEvents)
    assert last.key == end == KEY


def test_many_streams_of_one_transaction_are_numbered_in_batches(
    announced: list[NumberedEvents], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_SIZE", 3)
    batch_sizes = []
    number = numbering.number

    def count_keys(keys: Any) -> numbering.Pass:
        batch_sizes.append(len(keys))
        return number(keys)

    monkeypatch.setattr(numbering, "number", count_keys)
    record_events([EventDraft("order_changed", "{}", (StreamRef(f"u1|orders#{n}", "order"),)) for n in range(10)])
    assert len(announced) == 10
    assert max(batch_sizes) == 3


def test_numbered_head_creates_the_stream() -> None:
    stream = numbered_head(KEY)
    assert (stream.head, stream.floor) == (0, 0)
    assert stream.epoch == Stream.objects.get().epoch
    assert numbered_head(KEY) == stream


def test_numbered_head_numbers_committed_events_first() -> None:
    numbered_head(KEY)
    store.insert([EventDraft("order_changed", "{}", (StreamRef(KEY, "order"),))])
    assert numbered_head(KEY).head == 1


def test_numbered_head_of_an_ended_stream_is_that_of_a_new_one(announced: list[NumberedEvents | str]) -> None:
    publish(KEY, "order_changed", "order", {})
    before = numbered_head(KEY)
    store.insert([EventDraft(END, "null", (StreamRef(KEY, ""),))])
    after = numbered_head(KEY)
    assert after.head == 0
    assert (after.id, after.epoch) != (before.id, before.epoch)


def test_numbered_head_of_a_stream_without_unnumbered_events_is_one_query(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    publish(KEY, "order_changed", "order", {})
    with django_assert_num_queries(1):
        numbered_head(KEY)


def test_each_stream_has_an_epoch_of_its_own() -> None:
    assert len({numbered_head(f"u1|orders#{number}").epoch for number in range(20)}) == 20


def test_streams_without_new_events_are_not_announced(announced: list[NumberedEvents]) -> None:
    number_and_announce([KEY, OTHER])
    assert not announced
