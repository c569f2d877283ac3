"""Which number an event gets: through `publish`, and with single passes."""

import threading

import pytest
from django.db import Error, connection, transaction
from pytest_django import Settings

from realtime.log import numbering, store
from realtime.log.types import END, EventDraft, LogEvent, NumberedEvents, StreamRef
from realtime.models import Stream, StreamEvent
from realtime.publish import publish
from realtime.publishing.after_commit import number_and_announce, numbered_head
from tests.realtime.log.test_store import EXECUTION, GRAPH, KEY, OTHER, both, sent
from tests.realtime.side_by_side import Thread, held, in_open_transaction, side_by_side, until_released, until_waiting
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_pass_returns_the_events_that_it_numbered() -> None:
    store.insert(
        [
            EventDraft("order_changed", "{}", (StreamRef(KEY, "order"),)),
            EventDraft("order_gone", "[]", (StreamRef(KEY, "order"),)),
        ]
    )
    ((numbered,), locked) = numbering.number([KEY])
    assert not locked
    assert (numbered.key, numbered.epoch) == (KEY, Stream.objects.get().epoch)
    assert numbered.events == [LogEvent(1, "order_changed", "{}"), LogEvent(2, "order_gone", "[]")]


def test_a_pass_returns_notifications_with_their_ids() -> None:
    for n, method in enumerate(("notification", "order_changed", "notification")):
        store.insert([EventDraft(method, "{}", (StreamRef(KEY, f"m{n}"),))])
    (numbered,) = numbering.number([KEY]).numbered
    assert [(event.seq, event.id) for event in numbered.events] == [(1, "m0"), (2, None), (3, "m2")]


@pytest.mark.postgres
def test_a_notification_that_is_inserted_with_its_number_has_its_id() -> None:
    numbered_head(KEY)
    with transaction.atomic():
        draft = EventDraft("notification", "{}", (StreamRef(KEY, "m1"),))
        (numbered,), _ = numbering.insert([draft], is_last_before_commit=True)
    assert numbered.events == [LogEvent(1, "notification", "{}", "m1")]


def test_numbering_inside_a_transaction_is_refused() -> None:
    publish(KEY, "order_changed", "order", {})
    with pytest.raises(RuntimeError, match="after the commit"), transaction.atomic():
        number_and_announce([KEY])


def test_a_pass_returns_the_data_in_both_streams_unless_it_is_large(settings: Settings) -> None:
    settings.REALTIME = {"MAX_INLINE_BYTES": 20}
    small, large = '{"n":1}', '{"n":"' + "é" * 8 + '"}'
    store.insert([both(small), both(large)])
    for numbered in numbering.number([EXECUTION, GRAPH]).numbered:
        assert [event.data for event in numbered.events] == [small, None]
    assert [event[2] for event in sent(GRAPH)] == [event[2] for event in sent(EXECUTION)] == [small, large]


# Numbers with the insert


def draft(key: str = KEY, entity: str = "order") -> EventDraft:
    return EventDraft("order_changed", "{}", (StreamRef(key, entity),))


def insert(event: EventDraft, *, is_last_before_commit: bool = True) -> tuple[list[NumberedEvents], set[str]]:
    """Inserts the event in a transaction of its own."""
    with transaction.atomic():
        return numbering.insert([event], is_last_before_commit=is_last_before_commit)


def history(key: str = KEY) -> list[tuple[str, int | None]]:
    return list(StreamEvent.objects.filter(stream__key=key).order_by("seq").values_list("entity", "seq"))


@pytest.mark.postgres
def test_an_event_whose_commit_is_next_is_inserted_with_its_number() -> None:
    stream = numbered_head(KEY)
    assert insert(draft()) == ([NumberedEvents(KEY, stream.epoch, [LogEvent(1, "order_changed", "{}")])], set())
    assert insert(draft()) == ([NumberedEvents(KEY, stream.epoch, [LogEvent(2, "order_changed", "{}")])], set())
    assert history() == [("order", 1), ("order", 2)]
    assert Stream.objects.get(key=KEY).head == 2


@pytest.mark.postgres
def test_an_event_of_two_streams_gets_a_number_in_each_and_its_data_unless_it_is_large(
    settings: Settings,
) -> None:
    settings.REALTIME = {"MAX_INLINE_BYTES": 20}
    for key in (EXECUTION, GRAPH):
        numbered_head(key)
    small, large = '{"n":1}', '{"n":"' + "é" * 8 + '"}'
    for seq, (data, inline) in enumerate([(small, small), (large, None)], start=1):
        numbered, unnumbered = insert(both(data))
        assert [(each.key, each.events) for each in numbered] == [
            (EXECUTION, [LogEvent(seq, "graph_execution_event", inline)]),
            (GRAPH, [LogEvent(seq, "graph_execution_event", inline)]),
        ]
        assert not unnumbered
    assert [event[2] for event in sent(GRAPH)] == [event[2] for event in sent(EXECUTION)] == [small, large]
    assert StreamEvent.objects.exclude(data=None).count() == 2


def test_an_event_of_a_longer_transaction_waits_for_a_pass() -> None:
    numbered_head(KEY)
    assert insert(draft(), is_last_before_commit=False) == ([], {KEY})
    assert store.find_unnumbered(1) == [KEY]
    with transaction.atomic():
        publish(KEY, "order_changed", "order", {})
        assert not history()
    assert history() == [("order", 1), ("order", 2)]


def test_an_event_of_a_new_stream_waits_for_a_pass_which_creates_the_stream() -> None:
    assert insert(draft()) == ([], {KEY})
    assert not Stream.objects.exists()


@pytest.mark.postgres
def test_the_end_marker_gets_no_number() -> None:
    numbered_head(KEY)
    assert insert(EventDraft(END, "null", (StreamRef(KEY, ""),))) == ([], {KEY})


@pytest.mark.postgres
def test_an_event_does_not_overtake_an_earlier_unnumbered_event() -> None:
    numbered_head(KEY)
    store.insert([draft(entity="first")])
    assert insert(draft(entity="second")) == ([], {KEY})
    number_and_announce([KEY])
    assert history() == [("first", 1), ("second", 2)]


@pytest.mark.postgres
def test_an_event_whose_stream_is_locked_does_not_wait_for_it() -> None:
    for key in (EXECUTION, GRAPH):
        numbered_head(key)

    with in_open_transaction(lambda: store.lock_streams([EXECUTION])):
        numbered, unnumbered = insert(both("{}"))
        assert [each.key for each in numbered] == [GRAPH]
        assert unnumbered == {EXECUTION}
    number_and_announce([EXECUTION])
    assert_contiguous(EXECUTION, 1)
    assert_contiguous(GRAPH, 1)


@pytest.mark.postgres
def test_a_number_that_is_rolled_back_is_used_again() -> None:
    numbered_head(KEY)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        numbering.insert([draft(entity="gone")], is_last_before_commit=True)
        raise ZeroDivisionError
    insert(draft())
    assert history() == [("order", 1)]


@pytest.mark.postgres
def test_a_pass_leaves_a_stream_with_an_uncommitted_number_and_a_later_one_continues_after_it() -> None:
    numbered_head(KEY)

    with in_open_transaction(lambda: numbering.insert([draft(entity="first")], is_last_before_commit=True)):
        store.insert([draft(entity="second")])
        assert numbering.number([KEY]) == ([], {KEY})
    numbering.number([KEY])
    assert history() == [("first", 1), ("second", 2)]


@pytest.mark.postgres
def test_a_locked_stream_does_not_hold_up_the_other_streams_of_a_pass() -> None:
    keys = [f"u1|orders#{number}" for number in range(5)]
    for key in keys:
        numbered_head(key)
    store.insert([draft(key) for key in keys])
    with in_open_transaction(lambda: store.lock_streams([keys[2]])):
        numbered, locked = numbering.number([*keys, "u1|orders#new"])
        assert [each.key for each in numbered] == keys[:2] + keys[3:]
        assert locked == {keys[2]}
    assert not Stream.objects.filter(key="u1|orders#new").exists()
    assert numbering.number(keys).locked == set()
    assert_contiguous(keys[2], 1)


@pytest.mark.postgres
def test_under_repeatable_read_an_event_waits_for_a_pass_and_its_writer_does_not_fail() -> None:
    numbered_head(KEY)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert not history()  # this read takes the snapshot
        Thread(publish, KEY, "order_changed", "other", {}).result()
        assert numbering.insert([draft()], is_last_before_commit=True) == ([], {KEY})
    number_and_announce([KEY])
    assert history() == [("other", 1), ("order", 2)]


@pytest.mark.postgres
def test_a_writer_that_hangs_before_its_commit_is_ended_and_the_stream_continues(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(numbering, "_IDLE_IN_TRANSACTION_TIMEOUT", "100ms")
    numbered_head(KEY)
    store.insert([draft(entity="other")])
    number_and_announce([KEY])

    def hang(begun: threading.Event) -> None:
        with pytest.raises(Error), transaction.atomic():
            numbering.insert([draft(entity="hanging")], is_last_before_commit=True)
            begun.set()
            until_released()

    with held(hang):
        store.insert([draft(entity="next")])
        until(lambda: not number_and_announce([KEY]))  # PostgreSQL ends the writer
        assert history() == [("other", 1), ("next", 2)]
    assert store.find_unnumbered(1) == []


@pytest.mark.postgres
def test_the_idle_timeout_applies_to_one_transaction_only() -> None:
    def idle_timeout() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW idle_in_transaction_session_timeout")
            return str(cursor.fetchone()[0])

    before = idle_timeout()
    with transaction.atomic():
        numbering.insert([draft()], is_last_before_commit=True)
        assert idle_timeout() == numbering._IDLE_IN_TRANSACTION_TIMEOUT != before
    assert idle_timeout() == before


# Concurrent writers and passes


def is_all_numbered() -> bool:
    """Events that met a locked head are numbered soon after their writer's call."""
    return not store.find_unnumbered(1)


def publish_many(key: str, count: int) -> None:
    for number in range(count):
        publish(key, "order_changed", "order", {"n": number})


def assert_contiguous(key: str, head: int) -> None:
    seqs = list(StreamEvent.objects.filter(stream__key=key).order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, head + 1))
    assert Stream.objects.get(key=key).head == head


@pytest.mark.timeout(300)  # four thousand transactions, two at a time
def test_concurrent_writers_leave_no_gap() -> None:
    threads, events = (8, 500) if connection.vendor == "postgresql" else (4, 25)
    side_by_side(*[lambda: publish_many(KEY, events)] * threads)
    until(is_all_numbered)
    assert_contiguous(KEY, threads * events)


def test_the_events_of_one_writer_keep_their_order() -> None:
    def write(name: str) -> None:
        for number in range(20):
            publish(KEY, "order_changed", name, {"n": number})

    side_by_side(*[lambda name=name: write(name) for name in "abcd"])  # type: ignore[misc]
    until(is_all_numbered)
    for name in "abcd":
        data = StreamEvent.objects.filter(entity=name).order_by("seq").values_list("data", flat=True)
        assert list(data) == [f'{{"n":{number}}}' for number in range(20)]


@pytest.mark.postgres
def test_transactions_that_write_to_two_streams_in_opposite_orders_do_not_deadlock() -> None:
    both_have_written = threading.Barrier(2)

    def write(*keys: str) -> None:
        for _ in range(20):
            with transaction.atomic():
                publish(keys[0], "order_changed", "order", {})
                both_have_written.wait(30)
                publish(keys[1], "order_changed", "order", {})

    side_by_side(lambda: write(KEY, OTHER), lambda: write(OTHER, KEY))
    until(is_all_numbered)
    assert_contiguous(KEY, 40)
    assert_contiguous(OTHER, 40)


@pytest.mark.postgres
def test_an_open_transaction_blocks_no_other_writer_and_is_numbered_later() -> None:
    with in_open_transaction(lambda: publish(KEY, "order_changed", "slow", {})):
        publish(KEY, "order_changed", "quick", {})
        assert list(StreamEvent.objects.values_list("entity", "seq")) == [("quick", 1)]
    assert list(StreamEvent.objects.order_by("seq").values_list("entity", "seq")) == [("quick", 1), ("slow", 2)]


@pytest.mark.postgres
def test_an_event_that_meets_another_pass_is_numbered_soon_after_it() -> None:
    publish(KEY, "order_changed", "order", {"n": 1})

    store.insert([EventDraft("order_changed", '{"n":2}', (StreamRef(KEY, "order"),))])
    with in_open_transaction(lambda: numbering._number_by_function("default", [KEY])):
        publish(KEY, "order_changed", "order", {"n": 3})
        assert store.find_unnumbered(1) == [KEY]
    until(is_all_numbered)
    assert_contiguous(KEY, 3)


@pytest.mark.postgres
def test_a_pass_that_waits_for_the_creation_of_a_stream_holds_no_lock() -> None:
    """With a lock it could deadlock with a pass that has created the same stream and waits for that lock."""
    publish(OTHER, "order_changed", "order", {})
    store.insert([EventDraft("order_changed", "{}", (StreamRef(key, "order"),)) for key in (KEY, OTHER)])

    with in_open_transaction(lambda: store.create_streams([KEY])):
        thread = Thread(numbering.number, [KEY, OTHER])
        assert until_waiting(thread)
        with transaction.atomic():
            Stream.objects.select_for_update(nowait=True).get(key=OTHER)
    thread.result()
    assert_contiguous(KEY, 1)
    assert_contiguous(OTHER, 2)


@pytest.mark.postgres
def test_a_stream_that_is_removed_while_a_pass_meets_it_is_created_again() -> None:
    publish(KEY, "order_changed", "order", {"n": 1})
    epoch = Stream.objects.get().epoch
    store.insert([EventDraft("order_changed", '{"n":2}', (StreamRef(KEY, "order"),))])

    def remove() -> None:
        store.lock_streams([KEY])
        StreamEvent.objects.filter(seq__isnull=False).delete()
        Stream.objects.filter(epoch=epoch).delete()

    with in_open_transaction(remove):
        assert numbering.number([KEY]) == ([], {KEY})
    ((numbered,), _) = numbering.number([KEY])
    assert numbered.events == [LogEvent(1, "order_changed", '{"n":2}')]
    assert numbered.epoch != epoch


def test_a_long_backlog_is_numbered_in_several_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbering, "_MAX_EVENTS", 3)
    store.insert([both(f'{{"n":{n}}}') for n in range(1, 9)])
    parts = numbering.number([EXECUTION, GRAPH]).numbered
    for key in (EXECUTION, GRAPH):
        assert [[event.seq for event in part.events] for part in parts if part.key == key] == [
            [1, 2, 3],
            [4, 5, 6],
            [7, 8],
        ]
        assert [event[2] for event in sent(key)] == [f'{{"n":{n}}}' for n in range(1, 9)]


def test_a_pass_does_not_make_a_stream_again_that_was_removed_meanwhile() -> None:
    assert numbering.number([KEY]) == ([], set())
    assert not Stream.objects.exists()
