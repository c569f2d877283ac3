"""Removing ended streams."""

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from realtime.log import numbering, retention, store
from realtime.log.retention import prune, remove
from realtime.log.types import END, EventDraft, StreamRef
from realtime.models import Stream, StreamEvent
from realtime.publish import end_stream
from realtime.publishing.after_commit import number_and_announce
from realtime.publishing.recording import record_events
from tests.realtime.log.test_retention import (
    EXECUTION,
    GRAPH,
    KEY,
    LIMIT,
    age,
    assert_complete,
    both,
    data_of,
    happen,
    left,
    stream,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_stream_that_was_not_ended_is_not_removed() -> None:
    happen("a")
    assert not remove(KEY)
    assert left() == [1]


def test_a_stream_is_removed_once() -> None:
    happen("a")
    store.insert([EventDraft(END, "null", (StreamRef(KEY, ""),))])
    assert remove(KEY)
    assert not remove(KEY)
    assert not StreamEvent.objects.exists()
    assert not Stream.objects.exists()


def test_a_concurrent_removal_that_was_faster_leaves_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    happen("a")
    store.insert([EventDraft(END, "null", (StreamRef(KEY, ""),))])
    lock = store.lock_streams

    def lock_too_late(keys: Any, *, skip_locked: bool) -> list[Stream]:
        monkeypatch.setattr(retention, "lock_streams", lock)
        assert remove(KEY)
        return lock(keys, skip_locked=skip_locked)

    monkeypatch.setattr(retention, "lock_streams", lock_too_late)
    with transaction.atomic():
        assert not remove(KEY)
    assert not Stream.objects.exists()


def test_an_event_after_the_end_marker_is_kept_even_if_it_has_a_number() -> None:
    happen("a")
    store.insert(
        [EventDraft(END, "null", (StreamRef(KEY, ""),)), EventDraft("order_changed", '"later"', (StreamRef(KEY, "a"),))]
    )
    numbering.number([KEY])
    assert left() == [1, 2]
    number_and_announce([KEY])
    number_and_announce([KEY])
    assert left() == [1]
    assert StreamEvent.objects.get().data == '"later"'


@pytest.mark.usefixtures("small_batches")
def test_a_long_stream_is_removed_in_batches() -> None:
    for length in range(5, 8):  # less than two batches, exactly two, more
        record_events(both(*range(length)))
        end_stream(EXECUTION)
        assert not Stream.objects.filter(key=EXECUTION).exists()
        assert not StreamEvent.objects.filter(data_of__isnull=False).exists()
    assert_complete(GRAPH)
    assert stream(GRAPH).head == 5 + 6 + 7


@pytest.mark.usefixtures("small_batches")
def test_an_interrupted_removal_is_finished_by_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    record_events(both(*range(1, 11)))
    store.insert([EventDraft(END, "null", (StreamRef(EXECUTION, ""),)), *both(11)])
    with monkeypatch.context() as stopped:
        delete, batches = retention._delete, iter(range(2))

        def delete_two_batches(using: str, selected: Any) -> int:
            if next(batches, None) is None:
                raise KeyboardInterrupt
            return delete(using, selected)

        stopped.setattr(retention, "_delete", delete_two_batches)
        with pytest.raises(KeyboardInterrupt):
            remove(EXECUTION)
    assert (stream(EXECUTION).floor, left(EXECUTION)) == (6, [7, 8, 9, 10])
    assert_complete(EXECUTION)
    number_and_announce([EXECUTION, GRAPH])
    number_and_announce([EXECUTION, GRAPH])
    assert data_of(EXECUTION) == {1: '{"n":11}'}
    assert data_of(GRAPH) == {number: f'{{"n":{number}}}' for number in range(1, 12)}


def test_the_end_of_a_stream_without_numbers_leaves_other_streams_alone() -> None:
    store.insert([EventDraft(END, "null", (StreamRef(KEY, ""),)), *both(1)])
    assert not remove(KEY)
    assert not Stream.objects.exists()


@pytest.fixture
def few_parameters() -> Iterator[None]:
    """Some builds of SQLite allow 999 parameters for a statement."""
    connection.ensure_connection()
    before = connection.connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)
    yield
    connection.connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, before)


@pytest.mark.sqlite
@pytest.mark.usefixtures("few_parameters")
def test_a_long_stream_is_pruned_and_removed_with_few_parameters_for_a_statement() -> None:
    record_events(both(*range(1, 1_201)))
    age(EXECUTION)
    assert prune(stream(EXECUTION).pk, LIMIT) == 1_199
    record_events(both(*range(1_201, 2_401)))
    end_stream(EXECUTION)
    assert StreamEvent.objects.filter(stream__key=GRAPH, data__isnull=False).count() == 2_400
