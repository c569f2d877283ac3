"""Pruning events by age."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from realtime.log import store
from realtime.log.replay import newest_by_entity, read_after
from realtime.log.retention import oldest_events, prune, prune_in_batches, streams_with_old_events
from realtime.log.types import EventDraft, StreamRef
from realtime.models import Stream, StreamEvent
from realtime.publish import end_stream, publish
from realtime.publishing.after_commit import number_and_announce, numbered_head
from realtime.publishing.recording import as_json, record_events
from realtime.wire.methods import WSMethod
from tests.realtime.side_by_side import side_by_side

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "u1|orders#7"
EXECUTION, GRAPH = "u1|graph_exec#e", "u1|graph#g|executions"
LONG_AGO = timezone.now() - timedelta(days=30)
LIMIT = timezone.now() - timedelta(days=7)


def happen(*entities: str, key: str = KEY, method: str = "order_changed") -> None:
    for number, entity in enumerate(entities, start=1):
        publish(key, method, entity, {"of": entity, "n": number})


def age(key: str = KEY, upto: int | None = None) -> None:
    """Makes the events of the stream, or those up to a number, a month old."""
    events = StreamEvent.objects.filter(stream__key=key)
    (events if upto is None else events.filter(seq__lte=upto)).update(created_at=LONG_AGO)


def left(key: str = KEY) -> list[int | None]:
    return list(StreamEvent.objects.filter(stream__key=key).order_by("seq").values_list("seq", flat=True))


def stream(key: str = KEY) -> Stream:
    return Stream.objects.get(key=key)


def assert_complete(key: str) -> None:
    """Every event above the floor exists, the event at the head exists, and each has its data. Holds the locks, so that
    it never sees half of a concurrent change."""
    with transaction.atomic():
        store.lock_streams([key, EXECUTION, GRAPH])
        it, numbers = stream(key), left(key)
        events = list(StreamEvent.objects.filter(stream=it).select_related("data_of"))
    assert [number for number in numbers if number and number > it.floor] == list(range(it.floor + 1, it.head + 1))
    assert not it.head or it.head in numbers
    for event in events:
        assert event.data is not None or (event.data_of is not None and event.data_of.data is not None)


# By age


def test_old_events_are_removed_except_the_newest_of_each_entity() -> None:
    happen("a", "b", "a", "c", "b")
    age()
    assert prune(stream().pk, LIMIT) == 2
    assert left() == [3, 4, 5]


def test_the_floor_rises_to_the_last_old_event() -> None:
    happen("a", "a", "a", "a")
    age(upto=3)
    assert prune(stream().pk, LIMIT) == 3
    assert (stream().floor, stream().head, left()) == (3, 4, [4])


def test_recent_events_stay() -> None:
    happen("a", "a", "a")
    assert prune(stream().pk, LIMIT) == 0
    assert (stream().floor, left()) == (0, [1, 2, 3])


def test_an_old_event_after_a_recent_one_stays() -> None:
    happen("a", "a", "a", "a")
    age()
    StreamEvent.objects.filter(seq=2).update(created_at=timezone.now())
    assert prune(stream().pk, LIMIT) == 1
    assert (stream().floor, left()) == (1, [2, 3, 4])


def test_the_event_at_the_head_stays_even_if_its_entity_is_over() -> None:
    happen("a", "b")
    publish(KEY, WSMethod.NOTIFICATION_DELETED, "a", {})
    age()
    prune(stream().pk, LIMIT)
    assert left() == [2, 3]


@pytest.mark.parametrize(
    "over",
    ["notification_read", "notification_deleted", "execution_deleted", "node_execution_deleted"],
)
def test_the_events_of_an_entity_that_is_over_are_all_removed(over: str) -> None:
    happen("a", "b")
    publish(KEY, over, "a", {"ids": ["a"], "read": True} if over == "notification_read" else {})
    happen("b")
    age()
    prune(stream().pk, LIMIT)
    assert left() == [4]


@pytest.mark.parametrize(
    "data",
    [
        {"ids": ["a"], "read": False},
        {"ids": ['"read":true}'], "read": False},
        {"ids": ["a"], "read": False, "notification": {"type": "info", "event": "hey", "read": True}},
        {},
    ],
)
def test_a_notification_that_is_unread_again_stays(data: dict[str, Any]) -> None:
    happen("a", method="notification")
    publish(KEY, "notification_read", "a", {"ids": ["a"], "read": True})
    publish(KEY, "notification_read", "a", data)
    happen("b", method="notification")
    age()
    dry_run = sum(prune_in_batches(stream().pk, LIMIT, is_dry_run=True))
    assert prune(stream().pk, LIMIT) == dry_run == 2
    assert left() == [3, 4]
    assert newest_by_entity(stream().pk, after=0, head=4, limit=10) == ([3, 4], False)


@pytest.mark.parametrize(("read", "kept"), [(True, [2]), (False, [1, 2])])
def test_the_read_mark_is_found_in_the_data_of_another_stream(read: bool, kept: list[int]) -> None:
    data = as_json({"ids": ["a"], "read": read})
    record_events([EventDraft("notification_read", data, (StreamRef(GRAPH, "a"), StreamRef(KEY, "a")))])
    number_and_announce([GRAPH, KEY])
    happen("b")
    assert StreamEvent.objects.get(stream__key=KEY, seq=1).data is None
    age()
    prune(stream().pk, LIMIT)
    assert left() == kept


def test_a_recent_last_event_of_an_old_entity_stays() -> None:
    happen("a", "b")
    age()
    publish(KEY, WSMethod.EXECUTION_DELETED, "a", {})
    prune(stream().pk, LIMIT)
    assert left() == [2, 3]


def test_a_second_prune_removes_nothing() -> None:
    happen("a", "a", "b")
    age()
    prune(stream().pk, LIMIT)
    before = (stream().floor, left())
    assert prune(stream().pk, LIMIT) == 0
    assert (stream().floor, left()) == before == (3, [2, 3])


def test_the_floor_never_falls() -> None:
    happen("a", "a", "a")
    age()
    prune(stream().pk, LIMIT)
    StreamEvent.objects.update(created_at=timezone.now())
    prune(stream().pk, LIMIT)
    assert stream().floor == 3


def test_unnumbered_events_stay() -> None:
    happen("a")
    store.insert([EventDraft("order_changed", "{}", (StreamRef(KEY, "a"),))])
    StreamEvent.objects.update(created_at=LONG_AGO)
    assert prune(stream().pk, LIMIT) == 0
    assert numbered_head(KEY).head == 2


def test_pruning_a_stream_that_does_not_exist_does_nothing() -> None:
    assert prune(10**9, LIMIT) == 0


def test_pruning_does_not_change_the_snapshot() -> None:
    happen(*"abcabdaab")
    age(upto=6)
    it = stream()
    before, _ = newest_by_entity(it.pk, after=0, head=it.head, limit=100)
    prune(it.pk, LIMIT)
    assert newest_by_entity(it.pk, after=0, head=it.head, limit=100)[0] == before
    page = read_after(it.pk, stream().floor)
    assert page
    assert [event.seq for event in page.events] == [7, 8, 9]
    assert_complete(KEY)


# In batches


@pytest.mark.usefixtures("small_batches")
def test_the_stream_is_complete_after_each_batch() -> None:
    happen(*"abcabcabdab")
    age(upto=8)
    it = stream()
    before = newest_by_entity(it.pk, after=0, head=it.head, limit=100)
    floors = []
    for _ in prune_in_batches(it.pk, LIMIT):
        floors.append(stream().floor)
        assert_complete(KEY)
        assert newest_by_entity(it.pk, after=0, head=it.head, limit=100) == before
    assert floors == [3, 6, 8]
    assert left() == [6, 9, 10, 11]


@pytest.mark.usefixtures("small_batches")
def test_a_prune_continues_where_an_interrupted_one_stopped() -> None:
    happen(*"aaaaaaaaa")
    age()
    pruning = prune_in_batches(stream().pk, LIMIT)
    assert (next(pruning), left(), stream().floor) == (3, [4, 5, 6, 7, 8, 9], 3)
    pruning.close()
    assert prune(stream().pk, LIMIT) == 5
    assert left() == [9]


@pytest.mark.usefixtures("small_batches")
def test_an_event_that_an_earlier_prune_kept_is_removed_once_a_newer_one_exists() -> None:
    happen(*"abcde")
    age()
    prune(stream().pk, LIMIT)
    assert left() == [1, 2, 3, 4, 5]
    happen(*"aceb")
    age()
    assert prune(stream().pk, LIMIT) == 4
    assert left() == [4, 6, 7, 8, 9]


@pytest.mark.usefixtures("small_batches")
def test_a_dry_run_counts_the_events_and_changes_nothing() -> None:
    happen(*"abcabcabdab")
    age(upto=8)
    before = list(Stream.objects.values()), list(StreamEvent.objects.values())
    assert sum(prune_in_batches(stream().pk, LIMIT, is_dry_run=True)) == 7
    assert (list(Stream.objects.values()), list(StreamEvent.objects.values())) == before
    assert prune(stream().pk, LIMIT) == 7


@pytest.mark.usefixtures("small_batches")
def test_a_stream_that_is_removed_between_two_batches_ends_the_pruning() -> None:
    happen(*"aaaaaaaaa")
    age()
    pruning = prune_in_batches(stream().pk, LIMIT)
    next(pruning)
    end_stream(KEY)
    assert list(pruning) == [0]


@pytest.mark.usefixtures("small_batches")
def test_two_concurrent_prunes_remove_each_event_once() -> None:
    happen(*"ab" * 20)
    age()
    id = stream().pk
    assert sum(side_by_side(lambda: prune(id, LIMIT), lambda: prune(id, LIMIT))) == 38
    assert_complete(KEY)
    assert left() == [39, 40]


def test_only_streams_with_old_events_are_selected() -> None:
    for number in range(4):
        happen("a", "a", key=f"u1|orders#{number}")
    age("u1|orders#1")
    age("u1|orders#3", upto=1)
    found = streams_with_old_events(LIMIT)
    assert [each.key for each in found] == ["u1|orders#1", "u1|orders#3"]
    for each in list(found):
        prune(each.pk, LIMIT)
    assert not found.all().exists()


# Events that belong to two streams


def both(*numbers: int) -> list[EventDraft]:
    return [
        EventDraft("graph_execution_event", f'{{"n":{n}}}', (StreamRef(EXECUTION, "graph"), StreamRef(GRAPH, "e")))
        for n in numbers
    ]


def data_of(key: str) -> dict[int, str | None]:
    page = read_after(stream(key).pk, 0)
    assert page
    return {event.seq: event.data for event in page.events}


def test_an_event_that_stays_gets_a_copy_of_the_removed_data() -> None:
    record_events(both(1, 2, 3))
    age(EXECUTION)
    prune(stream(EXECUTION).pk, LIMIT)
    assert left(EXECUTION) == [3]
    assert data_of(GRAPH) == {1: '{"n":1}', 2: '{"n":2}', 3: '{"n":3}'}
    assert data_of(EXECUTION) == {3: '{"n":3}'}


def test_an_unnumbered_event_gets_a_copy_of_the_removed_data() -> None:
    store.insert(both(1, 2))
    number_and_announce([EXECUTION])
    age(EXECUTION)
    prune(stream(EXECUTION).pk, LIMIT)
    number_and_announce([GRAPH])
    assert data_of(GRAPH) == {1: '{"n":1}', 2: '{"n":2}'}


def test_removing_a_reference_leaves_the_original() -> None:
    record_events(both(1, 2, 3))
    age(GRAPH)
    prune(stream(GRAPH).pk, LIMIT)
    assert left(GRAPH) == [3]
    assert left(EXECUTION) == [1, 2, 3]


def test_a_removed_stream_leaves_its_data_to_the_events_that_refer_to_it() -> None:
    record_events(both(1, 2))
    end_stream(EXECUTION)
    assert not Stream.objects.filter(key=EXECUTION).exists()
    assert data_of(GRAPH) == {1: '{"n":1}', 2: '{"n":2}'}
    assert not StreamEvent.objects.filter(data_of__isnull=False).exists()


def test_the_oldest_events_are_read_a_page_at_a_time() -> None:
    keys = [f"u1|orders#{number}" for number in range(3)]
    for key in keys:
        publish(key, "changed", "order", {})
        publish(key, "changed", "order", {})
    first = StreamEvent.objects.get(stream__key=keys[0], seq=1)
    pruned = Stream.objects.get(key=keys[1])
    prune(pruned.pk, timezone.now() + timedelta(days=1))
    page = oldest_events(0, 2)
    assert [(key, at) for _, key, at in page] == [(keys[0], first.created_at), (keys[1], None)]
    assert [key for _, key, _ in oldest_events(page[-1][0], 2)] == [keys[2]]
