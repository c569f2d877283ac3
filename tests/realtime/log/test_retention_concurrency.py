"""Pruning and removal beside writers and each other."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from realtime.log import store
from realtime.log.retention import prune
from realtime.log.types import END, EventDraft, StreamRef
from realtime.models import Stream
from realtime.publish import end_stream
from realtime.publishing.after_commit import number_and_announce, numbered_head
from realtime.publishing.recording import record_events
from tests.realtime.log.test_retention import (
    EXECUTION,
    GRAPH,
    LIMIT,
    age,
    assert_complete,
    both,
    data_of,
    stream,
)
from tests.realtime.side_by_side import Thread, in_open_transaction, side_by_side, until_waiting
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


# Rows of a stream change only under its lock. Otherwise two transactions could deadlock on rows.


@pytest.mark.postgres
def test_pruning_that_copies_data_into_another_stream_waits_for_its_lock() -> None:
    record_events(both(1, 2, 3))
    age(EXECUTION)
    with in_open_transaction(lambda: store.lock_streams([GRAPH])):
        thread = Thread(prune, stream(EXECUTION).pk, LIMIT)
        assert until_waiting(thread)
    thread.result()
    assert data_of(GRAPH) == {1: '{"n":1}', 2: '{"n":2}', 3: '{"n":3}'}


@pytest.mark.postgres
def test_a_removal_that_copies_data_into_another_stream_is_left_for_later_while_that_is_locked() -> None:
    record_events(both(1, 2, 3))
    store.insert([EventDraft(END, "null", (StreamRef(EXECUTION, ""),))])
    with in_open_transaction(lambda: store.lock_streams([GRAPH])):
        assert number_and_announce([EXECUTION]) == {EXECUTION}
    assert number_and_announce([EXECUTION]) == set()
    assert not Stream.objects.filter(key=EXECUTION).exists()
    assert data_of(GRAPH) == {1: '{"n":1}', 2: '{"n":2}', 3: '{"n":3}'}


def test_concurrent_writers_and_pruners_lose_no_event_above_the_floor() -> None:
    rounds = 25 if connection.vendor == "postgresql" else 5
    writers = [Thread(write, rounds, offset * rounds) for offset in range(3)]
    in_a_month = timezone.now() + timedelta(days=30)  # so that everything is old
    while any(writer.is_running for writer in writers):
        for key in (EXECUTION, GRAPH):
            prune(numbered_head(key).id, in_a_month)
            assert_complete(key)
    for writer in writers:
        writer.result()
    until(lambda: not store.find_unnumbered(1))
    assert stream(GRAPH).head == 3 * rounds
    for key in (EXECUTION, GRAPH):
        assert_complete(key)


def write(rounds: int, offset: int) -> None:
    for number in range(offset, offset + rounds):
        record_events(both(number))


def test_concurrent_ends_and_restarts_of_a_stream_keep_the_data_that_others_refer_to() -> None:
    rounds = 15 if connection.vendor == "postgresql" else 4

    def live() -> None:
        for number in range(rounds):
            record_events(both(number))
            with transaction.atomic():
                end_stream(EXECUTION)

    side_by_side(live, live, live)
    until(lambda: not number_and_announce([EXECUTION, GRAPH]) and not store.find_unnumbered(1))
    assert_complete(GRAPH)
    assert stream(GRAPH).head == 3 * rounds
