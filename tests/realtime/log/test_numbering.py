"""Which number an event gets, through `publish` as callers use it, and pass by pass."""

import threading

import pytest
from django.db import Error, connection, transaction
from pytest_django import Settings

from realtime.log import numbering, store
from realtime.log.types import END, EventDraft, LogEvent, Numbered, StreamRef
from realtime.models import Stream, StreamEvent
from realtime.publish import publish
from realtime.publishing.after_commit import number_and_announce, numbered_head
from tests.realtime.log.test_store import EXECUTION, GRAPH, KEY, OTHER, both, sent
from tests.realtime.side_by_side import Thread, held, in_open_transaction, side_by_side, until_released, until_waiting

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_pass_tells_what_it_numbered() -> None:
    store.insert(
        [
            EventDraft("order_changed", "{}", (StreamRef(KEY, "order"),)),
            EventDraft("order_gone", "[]", (StreamRef(KEY, "order"),)),
        ]
    )
    (numbered,) = numbering.number([KEY])
    assert (numbered.key, numbered.epoch) == (KEY, Stream.objects.get().epoch)
    assert numbered.events == [LogEvent(1, "order_changed", "{}"), LogEvent(2, "order_gone", "[]")]


def test_numbering_inside_a_transaction_that_stays_open_is_refused() -> None:
    publish(KEY, "order_changed", "order", {})
    with pytest.raises(RuntimeError, match="after the commit"), transaction.atomic():
        number_and_announce([KEY])


def test_a_pass_tells_the_data_of_both_places_unless_it_is_large(settings: Settings) -> None:
    settings.REALTIME = {"MAX_INLINE_BYTES": 20}
    small, large = '{"n":1}', '{"n":"' + "é" * 8 + '"}'
    store.insert([both(small), both(large)])
    for numbered in numbering.number([EXECUTION, GRAPH]):
        assert [event.data for event in numbered.events] == [small, None]
    assert [event[2] for event in sent(GRAPH)] == [event[2] for event in sent(EXECUTION)] == [small, large]


# With the insert


def place(key: str = KEY, entity: str = "order") -> EventDraft:
    return EventDraft("order_changed", "{}", (StreamRef(key, entity),))


def insert(entry: EventDraft, *, commits_next: bool = True) -> tuple[list[Numbered], set[str]]:
    """In a transaction of its own."""
    with transaction.atomic():
        return numbering.insert([entry], commits_next=commits_next)


def history(key: str = KEY) -> list[tuple[str, int | None]]:
    return list(StreamEvent.objects.filter(stream__key=key).order_by("seq").values_list("entity", "seq"))


@pytest.mark.postgres
def test_what_is_committed_next_is_inserted_with_its_number() -> None:
    stream = numbered_head(KEY)
    assert insert(place()) == ([Numbered(KEY, stream.epoch, [LogEvent(1, "order_changed", "{}")])], set())
    assert insert(place()) == ([Numbered(KEY, stream.epoch, [LogEvent(2, "order_changed", "{}")])], set())
    assert history() == [("order", 1), ("order", 2)]
    assert Stream.objects.get(key=KEY).head == 2


@pytest.mark.postgres
def test_an_event_of_two_streams_gets_a_number_in_each_and_tells_its_data_unless_that_is_large(
    settings: Settings,
) -> None:
    settings.REALTIME = {"MAX_INLINE_BYTES": 20}
    for key in (EXECUTION, GRAPH):
        numbered_head(key)
    small, large = '{"n":1}', '{"n":"' + "é" * 8 + '"}'
    for seq, (data, told) in enumerate([(small, small), (large, None)], start=1):
        numbered, waiting = insert(both(data))
        assert [(each.key, each.events) for each in numbered] == [
            (EXECUTION, [LogEvent(seq, "graph_execution_event", told)]),
            (GRAPH, [LogEvent(seq, "graph_execution_event", told)]),
        ]
        assert not waiting
    assert [event[2] for event in sent(GRAPH)] == [event[2] for event in sent(EXECUTION)] == [small, large]
    assert StreamEvent.objects.exclude(data=None).count() == 2


def test_what_may_not_be_committed_for_a_while_waits_for_a_pass() -> None:
    numbered_head(KEY)
    assert insert(place(), commits_next=False) == ([], {KEY})
    assert store.unnumbered(1) == [KEY]
    with transaction.atomic():
        publish(KEY, "order_changed", "order", {})
        assert not history()
    assert history() == [("order", 1), ("order", 2)]


def test_an_event_of_a_new_stream_waits_for_a_pass_which_makes_it() -> None:
    assert insert(place()) == ([], {KEY})
    assert not Stream.objects.exists()


@pytest.mark.postgres
def test_the_end_of_a_stream_gets_no_number() -> None:
    numbered_head(KEY)
    assert insert(EventDraft(END, "null", (StreamRef(KEY, ""),))) == ([], {KEY})


@pytest.mark.postgres
def test_an_event_does_not_overtake_one_that_waits_for_its_number() -> None:
    numbered_head(KEY)
    store.insert([place(entity="first")])
    assert insert(place(entity="second")) == ([], {KEY})
    number_and_announce([KEY])
    assert history() == [("first", 1), ("second", 2)]


@pytest.mark.postgres
def test_an_event_whose_stream_is_locked_does_not_wait_for_it() -> None:
    for key in (EXECUTION, GRAPH):
        numbered_head(key)

    with in_open_transaction(lambda: store.lock([EXECUTION])):
        numbered, waiting = insert(both("{}"))
        assert [each.key for each in numbered] == [GRAPH]
        assert waiting == {EXECUTION}
    number_and_announce([EXECUTION])
    assert_contiguous(EXECUTION, 1)
    assert_contiguous(GRAPH, 1)


@pytest.mark.postgres
def test_a_number_that_is_rolled_back_is_given_again() -> None:
    numbered_head(KEY)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        numbering.insert([place(entity="gone")], commits_next=True)
        raise ZeroDivisionError
    insert(place())
    assert history() == [("order", 1)]


@pytest.mark.postgres
def test_a_pass_waits_for_a_number_that_is_not_committed_and_goes_on_from_there() -> None:
    numbered_head(KEY)

    with in_open_transaction(lambda: numbering.insert([place(entity="first")], commits_next=True)):
        store.insert([place(entity="second")])
        thread = Thread(numbering.number, [KEY])
        assert until_waiting(thread)
    thread.result()
    assert history() == [("first", 1), ("second", 2)]


@pytest.mark.postgres
def test_under_repeatable_read_an_event_waits_for_a_pass_and_its_writer_does_not_fail() -> None:
    numbered_head(KEY)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert not history()  # it has its snapshot
        Thread(publish, KEY, "order_changed", "other", {}).result()
        assert numbering.insert([place()], commits_next=True) == ([], {KEY})
    number_and_announce([KEY])
    assert history() == [("other", 1), ("order", 2)]


@pytest.mark.postgres
def test_a_writer_that_falls_silent_before_its_commit_is_ended_and_the_stream_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(numbering, "_SILENCE", "100ms")
    numbered_head(KEY)
    store.insert([place(entity="other")])
    number_and_announce([KEY])

    def fall_silent(begun: threading.Event) -> None:
        with pytest.raises(Error), transaction.atomic():
            numbering.insert([place(entity="silent")], commits_next=True)
            begun.set()
            until_released()

    with held(fall_silent):
        store.insert([place(entity="next")])
        number_and_announce([KEY])  # as soon as it is ended
        assert history() == [("other", 1), ("next", 2)]
    assert store.unnumbered(1) == []


@pytest.mark.postgres
def test_the_time_for_silence_is_that_of_one_transaction() -> None:
    def silence() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW idle_in_transaction_session_timeout")
            return str(cursor.fetchone()[0])

    before = silence()
    with transaction.atomic():
        numbering.insert([place()], commits_next=True)
        assert silence() == numbering._SILENCE != before
    assert silence() == before


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
    with in_open_transaction(lambda: publish(KEY, "order_changed", "slow", {})):
        publish(KEY, "order_changed", "quick", {})
        assert list(StreamEvent.objects.values_list("entity", "seq")) == [("quick", 1)]
    assert list(StreamEvent.objects.order_by("seq").values_list("entity", "seq")) == [("quick", 1), ("slow", 2)]


@pytest.mark.postgres
def test_a_pass_that_waited_for_another_one_goes_on_from_its_head() -> None:
    publish(KEY, "order_changed", "order", {"n": 1})

    store.insert([EventDraft("order_changed", '{"n":2}', (StreamRef(KEY, "order"),))])
    with in_open_transaction(lambda: numbering._by_function("default", [KEY])):
        thread = Thread(publish_many, KEY, 1)
        assert until_waiting(thread)
    thread.result()
    assert_contiguous(KEY, 3)


@pytest.mark.postgres
def test_a_pass_that_waits_for_a_stream_to_be_made_holds_no_other_one() -> None:
    """Otherwise it could wait for a pass that has made the same one, and waits for the one held."""
    publish(OTHER, "order_changed", "order", {})
    store.insert([EventDraft("order_changed", "{}", (StreamRef(key, "order"),)) for key in (KEY, OTHER)])

    with in_open_transaction(lambda: store.make([KEY])):
        thread = Thread(numbering.number, [KEY, OTHER])
        assert until_waiting(thread)
        with transaction.atomic():
            Stream.objects.select_for_update(nowait=True).get(key=OTHER)
    thread.result()
    assert_contiguous(KEY, 1)
    assert_contiguous(OTHER, 2)


@pytest.mark.postgres
def test_a_stream_that_is_removed_while_a_pass_waits_for_it_is_made_again() -> None:
    publish(KEY, "order_changed", "order", {"n": 1})
    epoch = Stream.objects.get().epoch
    store.insert([EventDraft("order_changed", '{"n":2}', (StreamRef(KEY, "order"),))])

    def remove() -> None:
        store.lock([KEY])
        StreamEvent.objects.filter(seq__isnull=False).delete()
        Stream.objects.filter(epoch=epoch).delete()

    with in_open_transaction(remove):
        thread = Thread(numbering.number, [KEY])
        assert until_waiting(thread)
    (numbered,) = thread.result()
    assert numbered.events == [LogEvent(1, "order_changed", '{"n":2}')]
    assert numbered.epoch != epoch


def test_a_long_backlog_is_numbered_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbering, "_MOST", 3)
    store.insert([both(f'{{"n":{n}}}') for n in range(1, 9)])
    parts = numbering.number([EXECUTION, GRAPH])
    for key in (EXECUTION, GRAPH):
        assert [[event.seq for event in part.events] for part in parts if part.key == key] == [
            [1, 2, 3],
            [4, 5, 6],
            [7, 8],
        ]
        assert [event[2] for event in sent(key)] == [f'{{"n":{n}}}' for n in range(1, 9)]
