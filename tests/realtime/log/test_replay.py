"""The log's reading side."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries, Settings

from realtime.log import store
from realtime.log.replay import newest_by_entity, read_after, read_each
from realtime.log.types import EventDraft, LogEvent, StreamRef
from realtime.models import Stream, StreamEvent
from realtime.publishing.recording import record_events

pytestmark = pytest.mark.django_db(transaction=True)

EXECUTION, GRAPH = "u1|graph_exec#e", "u1|graph#g|executions"


def happen(*entities: str, data: Callable[[int], str] = str) -> int:
    """Records events of these entities in two streams. Returns the id of the second one, whose events refer to the data
    of the first."""
    first = StreamEvent.objects.filter(stream__key=GRAPH).count() + 1
    record_events(
        [
            EventDraft("changed", data(number), (StreamRef(EXECUTION, entity), StreamRef(GRAPH, entity)))
            for number, entity in enumerate(entities, start=first)
        ]
    )
    return Stream.objects.get(key=GRAPH).pk


def seqs(events: Any) -> list[int]:
    return [event.seq for event in events]


# Pages


def test_only_a_notification_is_read_with_its_id() -> None:
    refs = [StreamRef(EXECUTION, "a"), StreamRef(GRAPH, "b")]
    record_events([EventDraft(method, "1", tuple(refs)) for method in ("notification", "notification_read")])
    id = Stream.objects.get(key=GRAPH).pk
    page = read_after(id, 0)
    assert page
    assert page.events == read_each(id, [1, 2])
    assert page.events == [LogEvent(1, "notification", "1", "b"), LogEvent(2, "notification_read", "1")]


def test_a_page_has_the_events_after_the_cursor_and_the_position_of_the_stream() -> None:
    id = happen("a", "b", "c")
    stream = Stream.objects.get(pk=id)
    page = read_after(id, 1)
    assert page
    assert page[:4] == (stream.epoch, 3, 0, [LogEvent(2, "changed", "2"), LogEvent(3, "changed", "3")])
    times = dict(StreamEvent.objects.filter(stream=id, seq__gt=1).values_list("seq", "created_at"))
    assert page.recorded_at == pytest.approx({seq: time.timestamp() for seq, time in times.items()}, abs=0.002)


def test_a_page_after_the_head_has_the_position_and_no_events() -> None:
    id = happen("a")
    for after in (1, 2, 2**62):
        page = read_after(id, after)
        assert page
        assert (page.head, page.events) == (1, [])


def test_a_stream_that_is_gone_has_no_page() -> None:
    assert read_after(10**9, 0) is None


def test_a_page_has_at_most_page_events(settings: Settings) -> None:
    settings.REALTIME = {"PAGE_EVENTS": 2}
    id = happen(*"abcde")
    page = read_after(id, 1)
    assert page
    assert seqs(page.events) == [2, 3]
    assert page.head == 5


def test_a_page_has_at_most_page_bytes_or_one_event(settings: Settings) -> None:
    settings.REALTIME = {"PAGE_BYTES": 20, "MAX_INLINE_BYTES": 10}
    id = happen(*"abcd", data=lambda number: f'"{str(number) * [0, 30, 8, 10, 1][number]}"')
    pages = []
    after = 0
    while (page := read_after(id, after)) and page.events:
        pages.append(seqs(page.events))
        after = page.events[-1].seq
    assert pages == [[1], [2], [3, 4]]


def test_large_data_is_read_like_any_other(settings: Settings) -> None:
    settings.REALTIME = {"MAX_INLINE_BYTES": 3}
    id = happen(*"abc", data=lambda number: f'"{"é" * number}"')
    page = read_after(id, 0)
    assert page
    assert [event.data for event in page.events] == ['"é"', '"éé"', '"ééé"']
    assert [event.data for event in read_each(id, [1, 3])] == ['"é"', '"ééé"']


def test_a_page_is_one_statement_and_with_large_data_two(
    settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    id = happen(*"abc")
    with django_assert_num_queries(1):
        read_after(id, 0)
    settings.REALTIME = {"MAX_INLINE_BYTES": 0}
    with django_assert_num_queries(2):
        read_after(id, 0)


def test_a_page_below_the_floor_has_the_remaining_events() -> None:
    id = happen(*"abcd")
    StreamEvent.objects.filter(stream=id, seq=2).delete()
    Stream.objects.filter(pk=id).update(floor=3)
    page = read_after(id, 0)
    assert page
    assert (seqs(page.events), page.floor) == ([1, 3, 4], 3)


# Single events


def test_events_are_read_by_their_numbers_in_their_order() -> None:
    id = happen(*"abcd")
    assert read_each(id, [4, 2]) == [LogEvent(2, "changed", "2"), LogEvent(4, "changed", "4")]
    assert read_each(id, []) == []


def test_only_a_removed_event_is_left_out(settings: Settings) -> None:
    id = happen(*"abcd")
    StreamEvent.objects.filter(stream=id, seq=2).delete()
    assert seqs(read_each(id, [1, 2, 3])) == [1, 3]


@pytest.mark.parametrize("gone", [1, 2, 3])
def test_only_an_event_that_is_pruned_between_two_statements_is_left_out(settings: Settings, gone: int) -> None:
    settings.REALTIME = {"MAX_INLINE_BYTES": 0}
    id = happen(*"abc")

    def prune_between(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if not pruned and sql.startswith("SELECT"):
            pruned.append(sql)
            StreamEvent.objects.filter(stream=id, seq=gone).delete()
        return result

    pruned: list[str] = []
    with connection.execute_wrapper(prune_between):
        read = read_each(id, [1, 2, 3])
    assert seqs(read) == [seq for seq in (1, 2, 3) if seq != gone]


def test_single_events_are_read_up_to_page_bytes(settings: Settings) -> None:
    settings.REALTIME = {"PAGE_BYTES": 5}
    id = happen(*"abcd", data=lambda number: f'"{number}"')
    assert seqs(read_each(id, [1, 2, 4])) == [1]


# The newest event of each entity


def newest(id: int, after: int = 0, head: int = 100, limit: int = 100) -> tuple[list[int], bool]:
    return newest_by_entity(id, after=after, head=head, limit=limit)


def test_the_newest_events_come_in_the_order_of_their_numbers() -> None:
    assert newest(happen(*"abacb")) == ([3, 4, 5], False)


def test_only_events_after_the_cursor_are_found() -> None:
    id = happen(*"abacb")
    assert newest(id, after=3) == ([4, 5], False)
    assert newest(id, after=5) == ([], False)


def test_events_after_the_head_are_ignored() -> None:
    assert newest(happen(*"abacb"), head=4) == ([2, 3, 4], False)


def test_the_limit_keeps_the_highest_numbers() -> None:
    id = happen(*"abcd")
    assert newest(id, limit=2) == ([3, 4], True)
    assert newest(id, limit=4) == ([1, 2, 3, 4], False)


def test_the_last_number_is_the_head() -> None:
    id = happen(*"aab")
    assert newest(id, limit=1) == ([3], True)


@pytest.mark.parametrize(
    "entities",
    [
        "abc" * 20,  # few entities, all of them in the last events
        "abcdef" + "a" * 50,  # some entities; one made all the last events
        "abcdef" + "ab" * 20,
        "".join(chr(ord("A") + number) for number in range(50)),  # many entities, each with one event
        "".join(chr(ord("A") + number) for number in range(20)) + "A" * 40,
    ],
)
def test_each_way_to_read_a_long_stream_gives_the_same_answer(entities: str) -> None:
    id = happen(*entities)
    for head in (len(entities), len(entities) - 7):
        all_newest = sorted({entity: seq for seq, entity in enumerate(entities[:head], start=1)}.values())
        for after in (0, 5, 30, head):
            expected = [seq for seq in all_newest if seq > after]
            for limit in (1, 2, 4, 6, 100):
                assert newest(id, after, head, limit) == (expected[-limit:], len(expected) > limit)


def test_few_entities_are_found_without_reading_the_stream(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    id = happen(*("abc" + "a" * 50))
    with django_assert_num_queries(2):
        assert newest(id, head=53, limit=4) == ([2, 3, 53], False)


def test_a_stream_without_events_has_no_newest_events() -> None:
    assert newest(10**9) == ([], False)


def test_unnumbered_events_are_not_read() -> None:
    id = happen("a")
    store.insert([EventDraft("changed", "2", (StreamRef(GRAPH, "b"),))])
    page = read_after(id, 0)
    assert page
    assert seqs(page.events) == [1]
    assert newest(id) == ([1], False)


@pytest.mark.postgres
def test_reads_use_an_index() -> None:
    id = happen(*[f"entity {number % 50}" for number in range(2_000)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE realtime_streamevent")
        for work in (
            lambda: read_after(id, 1_000),
            lambda: read_each(id, [5, 700]),
            lambda: store.read_head(GRAPH),
            lambda: store.find_unnumbered(100),
            lambda: newest_by_entity(id, after=0, head=2_000, limit=60),
        ):
            with CaptureQueriesContext(connection) as statements:
                work()
            for statement in statements:
                cursor.execute(f"EXPLAIN {statement['sql']}")
                plan = "\n".join(row[0] for row in cursor.fetchall())
                assert "Seq Scan on realtime_streamevent" not in plan, plan
