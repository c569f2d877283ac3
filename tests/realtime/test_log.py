"""The log's writing side, through `publish` as callers use it."""

import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from pytest_django import Settings

from realtime import announcer, log
from realtime.counters import counts
from realtime.log import Entry, EventTooLarge, LogEvent, Place
from realtime.models import KEY_LENGTH, Stream, StreamEvent
from realtime.publish import end_stream, open_stream, publish, publish_entries, settle
from realtime.replay import read_after
from realtime.sweep import _settle_unnumbered
from tests.realtime.side_by_side import Thread, held, side_by_side, until_released, until_waiting

pytestmark = pytest.mark.django_db(transaction=True)

KEY, OTHER = "u1|orders#7", "u1|orders#8"
EXECUTION, GRAPH = "u1|graph_exec#e", "u1|graph#g|executions"


def sent(key: str = KEY) -> list[tuple[int, str, str | None]]:
    page = read_after(open_stream(key).id, 0)
    assert page
    return [tuple(event) for event in page.events]


def both(data: str = "{}") -> Entry:
    """An event of an execution, which stands in the stream of its graph, too."""
    return Entry("graph_execution_event", data, (Place(EXECUTION, "graph"), Place(GRAPH, "e")))


# Numbers


def test_events_get_the_numbers_1_2_3_after_their_commit() -> None:
    for number in range(3):
        publish(KEY, "order_changed", "order", {"n": number})
    assert sent() == [(n, "order_changed", f'{{"n":{n - 1}}}') for n in (1, 2, 3)]
    stream = Stream.objects.get(key=KEY)
    assert (stream.head, stream.floor) == (3, 0)


def test_nothing_has_a_number_before_the_commit() -> None:
    with transaction.atomic():
        publish(KEY, "order_changed", "order", {})
        assert StreamEvent.objects.get().seq is None
        assert not Stream.objects.exists()
    assert StreamEvent.objects.get().seq == 1


def test_each_stream_counts_for_itself() -> None:
    with transaction.atomic():
        publish(KEY, "order_changed", "order", {"n": 1})
        publish(OTHER, "order_changed", "order", {"n": 2})
        publish(KEY, "order_changed", "order", {"n": 3})
    assert [event[2] for event in sent()] == ['{"n":1}', '{"n":3}']
    assert [event[0] for event in sent(OTHER)] == [1]


def test_a_rolled_back_transaction_leaves_no_event() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        publish(KEY, "order_changed", "order", {})
        raise RuntimeError
    assert not StreamEvent.objects.exists()


def test_a_rolled_back_savepoint_takes_its_events_and_no_others() -> None:
    with transaction.atomic():
        with pytest.raises(RuntimeError), transaction.atomic():
            publish(KEY, "order_changed", "order", {"n": "lost"})
            raise RuntimeError
        publish(KEY, "order_changed", "order", {"n": "kept"})
    assert sent() == [(1, "order_changed", '{"n":"kept"}')]


def test_a_savepoint_rolled_back_after_others_does_not_keep_them_from_being_numbered() -> None:
    with transaction.atomic():
        publish(KEY, "order_changed", "order", {"n": 1})
        with pytest.raises(RuntimeError), transaction.atomic():
            publish(KEY, "order_changed", "order", {"n": 2})
            raise RuntimeError
    assert not log.unnumbered(10)


def test_to_settle_again_changes_nothing() -> None:
    publish(KEY, "order_changed", "order", {})
    before = list(StreamEvent.objects.values()), list(Stream.objects.values())
    settle([KEY])
    settle([KEY, KEY])
    assert (list(StreamEvent.objects.values()), list(Stream.objects.values())) == before
    assert log.number([KEY]) == []


def test_a_pass_tells_what_it_numbered() -> None:
    log.insert(
        [Entry("order_changed", "{}", (Place(KEY, "order"),)), Entry("order_gone", "[]", (Place(KEY, "order"),))]
    )
    (numbered,) = log.number([KEY])
    assert (numbered.key, numbered.epoch) == (KEY, Stream.objects.get().epoch)
    assert numbered.events == [LogEvent(1, "order_changed", "{}"), LogEvent(2, "order_gone", "[]")]


def test_numbering_inside_a_transaction_that_stays_open_is_refused() -> None:
    publish(KEY, "order_changed", "order", {})
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        settle([KEY])


def test_the_streams_are_looked_up_by_their_ids_at_once() -> None:
    publish(KEY, "order_changed", "order", {})
    publish(OTHER, "order_changed", "order", {})
    one, other = open_stream(KEY), open_stream(OTHER)
    assert sorted(log.heads([one.id, other.id, 10**9])) == sorted([one, other])
    assert log.heads([]) == []


# An event in two streams


def test_an_event_in_two_streams_is_stored_once_and_read_in_both() -> None:
    publish_entries([both('{"n":1}')])
    assert list(StreamEvent.objects.order_by("id").values_list("data", flat=True)) == ['{"n":1}', None]
    assert sent(EXECUTION) == sent(GRAPH) == [(1, "graph_execution_event", '{"n":1}')]


def test_the_order_of_a_batch_holds_in_each_of_its_streams() -> None:
    publish_entries([both(f'{{"n":{n}}}') for n in range(1, 301)])
    for key in (EXECUTION, GRAPH):
        events = StreamEvent.objects.filter(stream__key=key).order_by("seq").select_related("data_of")
        data = [event.data or event.data_of.data for event in events]
        assert data == [f'{{"n":{n}}}' for n in range(1, 301)]


def test_a_pass_tells_the_data_of_both_places_unless_it_is_large(settings: Settings) -> None:
    settings.REALTIME = {"MAX_INLINE_BYTES": 20}
    small, large = '{"n":1}', '{"n":"' + "é" * 8 + '"}'
    log.insert([both(small), both(large)])
    for numbered in log.number([EXECUTION, GRAPH]):
        assert [event.data for event in numbered.events] == [small, None]
    assert [event[2] for event in sent(GRAPH)] == [event[2] for event in sent(EXECUTION)] == [small, large]


def test_an_event_cannot_stand_twice_in_one_stream() -> None:
    with pytest.raises(ValueError, match="twice"):
        publish_entries([Entry("order_changed", "{}", (Place(KEY, "a"), Place(KEY, "b")))])


# What is refused


def test_an_event_that_is_too_large_makes_the_change_fail_and_leaves_nothing(settings: Settings) -> None:
    settings.REALTIME = {"MAX_EVENT_BYTES": 100}
    with pytest.raises(EventTooLarge, match=r"MAX_EVENT_BYTES'\] \(100\)"), transaction.atomic():
        publish(OTHER, "order_changed", "order", {})
        publish(KEY, "order_changed", "order", {"text": "a" * 100})
    assert not StreamEvent.objects.exists()


def test_the_size_of_an_event_is_that_of_its_utf_8(settings: Settings) -> None:
    settings.REALTIME = {"MAX_EVENT_BYTES": 100}
    publish(KEY, "order_changed", "order", {"text": "é" * 44})
    with pytest.raises(EventTooLarge):
        publish(KEY, "order_changed", "order", {"text": "é" * 45})
    assert StreamEvent.objects.get().size == 99


def test_one_event_that_is_too_large_refuses_its_whole_batch(settings: Settings) -> None:
    settings.REALTIME = {"MAX_EVENT_BYTES": 100}
    with pytest.raises(EventTooLarge):
        publish_entries([both(), both('"' + "a" * 100 + '"')])
    assert not StreamEvent.objects.exists()


@pytest.mark.parametrize(
    ("key", "method", "entity"),
    [
        pytest.param("k" * (KEY_LENGTH + 1), "changed", "order", id="too long a key"),
        pytest.param("", "changed", "order", id="no key"),
        pytest.param("k\0", "changed", "order", id="U+0000 in the key"),
        pytest.param("k\ud800", "changed", "order", id="a lone surrogate in the key"),
        pytest.param("k", "m" * 65, "order", id="too long a method"),
        pytest.param("k", "", "order", id="no method"),
        pytest.param("k", "m\0", "order", id="U+0000 in the method"),
        pytest.param("k", "changed", "e" * 256, id="too long an entity"),
        pytest.param("k", "changed", "e\0", id="U+0000 in the entity"),
        pytest.param("k", "changed", "e\ud800", id="a lone surrogate in the entity"),
    ],
)
def test_what_no_column_can_hold_is_a_value_error(key: str, method: str, entity: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        publish(key, method, entity, {})
    assert not StreamEvent.objects.exists()


def test_what_is_as_long_as_its_column_is_kept() -> None:
    """Of characters as long as UTF-8 has them, in an order that no index can compress."""
    letters = random.Random(1)
    key, entity = (
        "".join(chr(letters.randrange(0x1F300, 0x1FAFF)) for _ in range(length)) for length in (KEY_LENGTH, 255)
    )
    publish(key, "m" * 64, entity, {})
    assert sent(key) == [(1, "m" * 64, "{}")]


# The end of a stream


def test_an_ended_stream_is_removed_wholly() -> None:
    publish(KEY, "order_changed", "order", {})
    with transaction.atomic():
        publish(KEY, "order_changed", "order", {})
        end_stream(KEY)
    assert not Stream.objects.exists()
    assert not StreamEvent.objects.exists()


def test_what_is_recorded_after_the_end_begins_another_history() -> None:
    publish(KEY, "order_changed", "order", {"n": 1})
    epoch = Stream.objects.get().epoch
    with transaction.atomic():
        end_stream(KEY)
        publish(KEY, "order_changed", "order", {"n": 2})
    settle([KEY])
    assert sent() == [(1, "order_changed", '{"n":2}')]
    assert Stream.objects.get().epoch != epoch


def test_the_end_of_a_stream_that_never_began_leaves_nothing() -> None:
    end_stream(KEY)
    assert not Stream.objects.exists()
    assert not StreamEvent.objects.exists()


def test_an_end_that_is_rolled_back_ends_nothing() -> None:
    publish(KEY, "order_changed", "order", {})
    with pytest.raises(RuntimeError), transaction.atomic():
        end_stream(KEY)
        raise RuntimeError
    settle([KEY])
    assert len(sent()) == 1


# When the numbering fails


@pytest.fixture
def numbering_fails(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    def fail(*args: Any) -> None:
        raise ConnectionError("the database is away")

    with monkeypatch.context() as context:
        context.setattr(log, "number", fail)
        yield context


def test_numbering_that_fails_after_the_commit_is_counted_and_raised_to_nobody(
    numbering_fails: pytest.MonkeyPatch,
) -> None:
    before = counts().get("numbering_failed", 0)
    publish(KEY, "order_changed", "order", {})
    assert counts()["numbering_failed"] == before + 1
    assert log.unnumbered(10) == [KEY]


def test_the_next_reader_numbers_what_was_left(numbering_fails: pytest.MonkeyPatch) -> None:
    publish(KEY, "order_changed", "order", {"n": 1})
    numbering_fails.undo()
    assert open_stream(KEY).head == 1
    assert sent() == [(1, "order_changed", '{"n":1}')]


def test_the_next_writer_numbers_what_was_left(numbering_fails: pytest.MonkeyPatch) -> None:
    publish(KEY, "order_changed", "order", {"n": 1})
    numbering_fails.undo()
    publish(KEY, "order_changed", "order", {"n": 2})
    assert [event[2] for event in sent()] == ['{"n":1}', '{"n":2}']


def test_the_sweep_numbers_what_was_left(numbering_fails: pytest.MonkeyPatch) -> None:
    publish(KEY, "order_changed", "order", {"n": 1})
    numbering_fails.undo()
    _settle_unnumbered()
    assert log.unnumbered(10) == []
    assert Stream.objects.get().head == 1


def test_the_sweep_carries_out_an_end_that_was_left(numbering_fails: pytest.MonkeyPatch) -> None:
    publish(KEY, "order_changed", "order", {})
    end_stream(KEY)
    numbering_fails.undo()
    _settle_unnumbered()
    assert not StreamEvent.objects.exists()
    assert not Stream.objects.exists()


def test_an_announcement_that_fails_loses_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise ConnectionError("the layer is away")

    monkeypatch.setattr(announcer, "announce", fail)
    publish(KEY, "order_changed", "order", {})
    assert [event[0] for event in sent()] == [1]


# Side by side


def publish_many(key: str, count: int) -> None:
    for number in range(count):
        publish(key, "order_changed", "order", {"n": number})


def assert_contiguous(key: str, head: int) -> None:
    seqs = list(StreamEvent.objects.filter(stream__key=key).order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, head + 1))
    assert Stream.objects.get(key=key).head == head


@pytest.mark.timeout(300)  # four thousand transactions, two at a time
def test_threads_that_write_at_once_leave_no_hole() -> None:
    threads, events = (8, 500) if connection.vendor == "postgresql" else (4, 25)
    side_by_side(*[lambda: publish_many(KEY, events)] * threads)
    assert_contiguous(KEY, threads * events)


def test_each_writers_own_events_keep_their_order() -> None:
    def write(name: str) -> None:
        for number in range(20):
            publish(KEY, "order_changed", name, {"n": number})

    side_by_side(*[lambda name=name: write(name) for name in "abcd"])  # type: ignore[misc]
    for name in "abcd":
        data = StreamEvent.objects.filter(entity=name).order_by("seq").values_list("data", flat=True)
        assert list(data) == [f'{{"n":{number}}}' for number in range(20)]


@pytest.mark.postgres
def test_long_transactions_that_write_to_two_streams_in_opposite_orders_do_not_deadlock() -> None:
    both_have_written = threading.Barrier(2)

    def write(*keys: str) -> None:
        for _ in range(20):
            with transaction.atomic():
                publish(keys[0], "order_changed", "order", {})
                both_have_written.wait(30)
                publish(keys[1], "order_changed", "order", {})

    side_by_side(lambda: write(KEY, OTHER), lambda: write(OTHER, KEY))
    assert_contiguous(KEY, 40)
    assert_contiguous(OTHER, 40)


@pytest.mark.postgres
def test_a_writer_that_stays_open_holds_up_nobody_and_is_numbered_later() -> None:
    def write(begun: threading.Event) -> None:
        with transaction.atomic():
            publish(KEY, "order_changed", "slow", {})
            begun.set()
            until_released()

    with held(write):
        publish(KEY, "order_changed", "quick", {})
        assert list(StreamEvent.objects.values_list("entity", "seq")) == [("quick", 1)]
    assert list(StreamEvent.objects.order_by("seq").values_list("entity", "seq")) == [("quick", 1), ("slow", 2)]


@pytest.mark.postgres
def test_a_pass_that_waited_for_another_one_goes_on_from_its_head() -> None:
    publish(KEY, "order_changed", "order", {"n": 1})

    def number(begun: threading.Event) -> None:
        with transaction.atomic():
            (stream,) = log.lock([KEY])
            (event,) = log._number_pending("default", stream)
            Stream.objects.filter(key=KEY).update(head=event.seq)
            begun.set()
            until_released()

    log.insert([Entry("order_changed", '{"n":2}', (Place(KEY, "order"),))])
    with held(number):
        thread = Thread(publish_many, KEY, 1)
        assert until_waiting(thread)
    thread.result()
    assert_contiguous(KEY, 3)


@pytest.mark.postgres
def test_a_pass_that_waits_for_a_stream_to_be_made_holds_no_other_one() -> None:
    """Otherwise it could wait for a pass that has made the same one, and waits for the one held."""
    publish(OTHER, "order_changed", "order", {})
    log.insert([Entry("order_changed", "{}", (Place(key, "order"),)) for key in (KEY, OTHER)])

    def make(begun: threading.Event) -> None:
        with transaction.atomic():
            log.make([KEY])
            begun.set()
            until_released()

    with held(make):
        thread = Thread(log.number, [KEY, OTHER])
        assert until_waiting(thread)
        with transaction.atomic():
            Stream.objects.select_for_update(nowait=True).get(key=OTHER)
    thread.result()
    assert_contiguous(KEY, 1)
    assert_contiguous(OTHER, 2)


def test_a_stream_that_is_removed_while_a_pass_waits_for_it_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    publish(KEY, "order_changed", "order", {"n": 1})
    epoch = Stream.objects.get().epoch
    log.insert([Entry("order_changed", '{"n":2}', (Place(KEY, "order"),))])
    lock = log.lock

    def lock_too_late(keys: Any) -> list[Stream]:
        StreamEvent.objects.filter(seq__isnull=False).delete()
        Stream.objects.filter(epoch=epoch).delete()
        return lock(keys)

    monkeypatch.setattr(log, "lock", lock_too_late)
    (numbered,) = log.number([KEY])
    assert numbered.events == [LogEvent(1, "order_changed", '{"n":2}')]
    assert numbered.epoch != epoch


def test_a_long_backlog_is_numbered_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_MOST", 3)
    log.insert([both(f'{{"n":{n}}}') for n in range(1, 9)])
    parts = log.number([EXECUTION, GRAPH])
    for key in (EXECUTION, GRAPH):
        assert [[event.seq for event in part.events] for part in parts if part.key == key] == [
            [1, 2, 3],
            [4, 5, 6],
            [7, 8],
        ]
        assert [event[2] for event in sent(key)] == [f'{{"n":{n}}}' for n in range(1, 9)]
