"""The log's reading side."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries, Settings

from realtime.log import store
from realtime.log.replay import newest_by_entity, read_after, read_each
from realtime.log.types import EventDraft, StreamRef
from realtime.models import Stream, StreamEvent
from realtime.publishing.recording import record_events

pytestmark = pytest.mark.django_db(transaction=True)

EXECUTION, GRAPH = "u1|graph_exec#e", "u1|graph#g|executions"


def happen(*entities: str, data: Callable[[int], str] = str) -> int:
    """Events of these entities in the stream of an execution and in that of its graph; the id of the latter, which
    holds none of the data itself."""
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


def test_a_page_has_what_follows_with_the_stream_as_it_stands() -> None:
    id = happen("a", "b", "c")
    stream = Stream.objects.get(pk=id)
    page = read_after(id, 1)
    assert page == (stream.epoch, 3, 0, [(2, "changed", "2"), (3, "changed", "3")])


def test_a_page_after_the_head_says_where_the_stream_stands() -> None:
    id = happen("a")
    for after in (1, 2, 2**62):
        page = read_after(id, after)
        assert page
        assert (page.head, page.events) == (1, [])


def test_of_a_stream_that_is_gone_there_is_no_page() -> None:
    assert read_after(10**9, 0) is None


def test_a_page_has_only_so_many_events(settings: Settings) -> None:
    settings.REALTIME = {"PAGE_EVENTS": 2}
    id = happen(*"abcde")
    page = read_after(id, 1)
    assert page
    assert seqs(page.events) == [2, 3]
    assert page.head == 5


def test_a_page_has_only_so_many_bytes_but_always_an_event(settings: Settings) -> None:
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


def test_below_the_floor_a_page_has_what_is_left() -> None:
    id = happen(*"abcd")
    StreamEvent.objects.filter(stream=id, seq=2).delete()
    Stream.objects.filter(pk=id).update(floor=3)
    page = read_after(id, 0)
    assert page
    assert (seqs(page.events), page.floor) == ([1, 3, 4], 3)


# Single events


def test_events_are_read_by_their_numbers_in_their_order() -> None:
    id = happen(*"abcd")
    assert read_each(id, [4, 2]) == [(2, "changed", "2"), (4, "changed", "4")]
    assert read_each(id, []) == []


def test_an_event_that_is_gone_is_left_out_and_the_others_are_not(settings: Settings) -> None:
    id = happen(*"abcd")
    StreamEvent.objects.filter(stream=id, seq=2).delete()
    assert seqs(read_each(id, [1, 2, 3])) == [1, 3]


@pytest.mark.parametrize("gone", [1, 2, 3])
def test_large_data_that_goes_between_two_statements_is_left_out_and_no_other(settings: Settings, gone: int) -> None:
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


def test_single_events_are_read_up_to_so_many_bytes(settings: Settings) -> None:
    settings.REALTIME = {"PAGE_BYTES": 5}
    id = happen(*"abcd", data=lambda number: f'"{number}"')
    assert seqs(read_each(id, [1, 2, 4])) == [1]


# The newest of each entity


def newest(id: int, after: int = 0, head: int = 100, limit: int = 100) -> tuple[list[int], bool]:
    return newest_by_entity(id, after=after, head=head, limit=limit)


def test_the_newest_event_of_each_entity_in_the_order_of_their_numbers() -> None:
    assert newest(happen(*"abacb")) == ([3, 4, 5], False)


def test_only_what_is_newer_than_the_cursor() -> None:
    id = happen(*"abacb")
    assert newest(id, after=3) == ([4, 5], False)
    assert newest(id, after=5) == ([], False)


def test_what_came_after_the_head_counts_as_not_there() -> None:
    assert newest(happen(*"abacb"), head=4) == ([2, 3, 4], False)


def test_the_newest_are_kept_where_the_limit_cuts() -> None:
    id = happen(*"abcd")
    assert newest(id, limit=2) == ([3, 4], True)
    assert newest(id, limit=4) == ([1, 2, 3, 4], False)


def test_the_last_one_is_always_the_heads() -> None:
    id = happen(*"aab")
    assert newest(id, limit=1) == ([3], True)


@pytest.mark.parametrize(
    "entities",
    [
        "abc" * 20,  # few, all of them in the last events
        "abcdef" + "a" * 50,  # some, and one of them alone made all of the last events
        "abcdef" + "ab" * 20,
        "".join(chr(ord("A") + number) for number in range(50)),  # many, each with one event
        "".join(chr(ord("A") + number) for number in range(20)) + "A" * 40,
    ],
)
def test_whatever_a_long_stream_is_made_of_the_answer_is_the_same(entities: str) -> None:
    id = happen(*entities)
    for head in (len(entities), len(entities) - 7):
        true = sorted({entity: seq for seq, entity in enumerate(entities[:head], start=1)}.values())
        for after in (0, 5, 30, head):
            wanted = [seq for seq in true if seq > after]
            for limit in (1, 2, 4, 6, 100):
                assert newest(id, after, head, limit) == (wanted[-limit:], len(wanted) > limit)


def test_few_entities_are_found_without_reading_the_stream(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    id = happen(*("abc" + "a" * 50))
    with django_assert_num_queries(2):
        assert newest(id, head=53, limit=4) == ([2, 3, 53], False)


def test_of_an_empty_stream_there_is_nothing() -> None:
    assert newest(10**9) == ([], False)


def test_what_has_no_number_yet_is_in_no_answer() -> None:
    id = happen("a")
    store.insert([EventDraft("changed", "2", (StreamRef(GRAPH, "b"),))])
    page = read_after(id, 0)
    assert page
    assert seqs(page.events) == [1]
    assert newest(id) == ([1], False)


@pytest.mark.postgres
def test_readers_find_their_way_by_an_index() -> None:
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
