"""The log's writing side, mostly through `publish`."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from pytest_django import Settings

from realtime.log import numbering, store
from realtime.log.replay import read_after
from realtime.log.types import EventDraft, EventTooLarge, StreamRef
from realtime.metrics import counts
from realtime.models import KEY_LENGTH, Stream, StreamEvent
from realtime.publish import end_stream, publish
from realtime.publishing import announcer
from realtime.publishing.after_commit import number_and_announce, numbered_head
from realtime.publishing.leftovers import number_next
from realtime.publishing.recording import record_events

pytestmark = pytest.mark.django_db(transaction=True)

KEY, OTHER = "u1|orders#7", "u1|orders#8"
EXECUTION, GRAPH = "u1|graph_exec#e", "u1|graph#g|executions"


def sent(key: str = KEY) -> list[tuple[int, str, str | None]]:
    page = read_after(numbered_head(key).id, 0)
    assert page
    return [(event.seq, event.method, event.data) for event in page.events]


def both(data: str = "{}") -> EventDraft:
    """An event that belongs to the stream of an execution and to that of its graph."""
    return EventDraft("graph_execution_event", data, (StreamRef(EXECUTION, "graph"), StreamRef(GRAPH, "e")))


# Numbers


def test_events_get_the_numbers_1_2_3_after_their_commit() -> None:
    for number in range(3):
        publish(KEY, "order_changed", "order", {"n": number})
    assert sent() == [(n, "order_changed", f'{{"n":{n - 1}}}') for n in (1, 2, 3)]
    stream = Stream.objects.get(key=KEY)
    assert (stream.head, stream.floor) == (3, 0)


def test_an_event_has_no_number_before_the_commit() -> None:
    with transaction.atomic():
        publish(KEY, "order_changed", "order", {})
        assert StreamEvent.objects.get().seq is None
        assert not Stream.objects.exists()
    assert StreamEvent.objects.get().seq == 1


def test_each_stream_has_its_own_numbers() -> None:
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


def test_a_rolled_back_savepoint_drops_only_its_own_events() -> None:
    with transaction.atomic():
        with pytest.raises(RuntimeError), transaction.atomic():
            publish(KEY, "order_changed", "order", {"n": "lost"})
            raise RuntimeError
        publish(KEY, "order_changed", "order", {"n": "kept"})
    assert sent() == [(1, "order_changed", '{"n":"kept"}')]


def test_events_before_a_rolled_back_savepoint_are_numbered() -> None:
    with transaction.atomic():
        publish(KEY, "order_changed", "order", {"n": 1})
        with pytest.raises(RuntimeError), transaction.atomic():
            publish(KEY, "order_changed", "order", {"n": 2})
            raise RuntimeError
    assert not store.find_unnumbered(10)


def test_numbering_again_changes_nothing() -> None:
    publish(KEY, "order_changed", "order", {})
    before = list(StreamEvent.objects.values()), list(Stream.objects.values())
    number_and_announce([KEY])
    number_and_announce([KEY, KEY])
    assert (list(StreamEvent.objects.values()), list(Stream.objects.values())) == before
    assert numbering.number([KEY]) == ([], set())


def test_the_heads_of_many_streams_are_read_together() -> None:
    publish(KEY, "order_changed", "order", {})
    publish(OTHER, "order_changed", "order", {})
    one, other = numbered_head(KEY), numbered_head(OTHER)
    assert sorted(store.read_heads([one.id, other.id, 10**9])) == sorted([one, other])
    assert store.read_heads([]) == []


# An event in two streams


def test_an_event_in_two_streams_is_stored_once_and_read_in_both() -> None:
    record_events([both('{"n":1}')])
    assert list(StreamEvent.objects.order_by("id").values_list("data", flat=True)) == ['{"n":1}', None]
    assert sent(EXECUTION) == sent(GRAPH) == [(1, "graph_execution_event", '{"n":1}')]


def test_a_batch_keeps_its_order_in_each_of_its_streams() -> None:
    record_events([both(f'{{"n":{n}}}') for n in range(1, 301)])
    for key in (EXECUTION, GRAPH):
        events = StreamEvent.objects.filter(stream__key=key).order_by("seq").select_related("data_of")
        data = [event.data or event.data_of.data for event in events]
        assert data == [f'{{"n":{n}}}' for n in range(1, 301)]


def test_an_event_cannot_belong_to_the_same_stream_twice() -> None:
    with pytest.raises(ValueError, match="twice"):
        record_events([EventDraft("order_changed", "{}", (StreamRef(KEY, "a"), StreamRef(KEY, "b")))])


# Refused events


def test_an_event_that_is_too_large_fails_its_transaction(settings: Settings) -> None:
    settings.REALTIME = {"MAX_EVENT_BYTES": 100}
    with pytest.raises(EventTooLarge, match=r"MAX_EVENT_BYTES'\] \(100\)"), transaction.atomic():
        publish(OTHER, "order_changed", "order", {})
        publish(KEY, "order_changed", "order", {"text": "a" * 100})
    assert not StreamEvent.objects.exists()


def test_the_size_of_an_event_is_its_length_in_utf_8(settings: Settings) -> None:
    settings.REALTIME = {"MAX_EVENT_BYTES": 100}
    publish(KEY, "order_changed", "order", {"text": "é" * 44})
    with pytest.raises(EventTooLarge):
        publish(KEY, "order_changed", "order", {"text": "é" * 45})
    assert StreamEvent.objects.get().size == 99


def test_one_event_that_is_too_large_refuses_its_whole_batch(settings: Settings) -> None:
    settings.REALTIME = {"MAX_EVENT_BYTES": 100}
    with pytest.raises(EventTooLarge):
        record_events([both(), both('"' + "a" * 100 + '"')])
    assert not StreamEvent.objects.exists()


@pytest.mark.parametrize(
    ("key", "method", "entity"),
    [
        pytest.param("k" * (KEY_LENGTH + 1), "changed", "order", id="a key that is too long"),
        pytest.param("", "changed", "order", id="no key"),
        pytest.param("k\0", "changed", "order", id="U+0000 in the key"),
        pytest.param("k\ud800", "changed", "order", id="a lone surrogate in the key"),
        pytest.param("k", "m" * 65, "order", id="a method that is too long"),
        pytest.param("k", "", "order", id="no method"),
        pytest.param("k", "m\0", "order", id="U+0000 in the method"),
        pytest.param("k", "changed", "e" * 256, id="an entity that is too long"),
        pytest.param("k", "changed", "e\0", id="U+0000 in the entity"),
        pytest.param("k", "changed", "e\ud800", id="a lone surrogate in the entity"),
    ],
)
def test_text_that_its_column_cannot_hold_is_a_value_error(key: str, method: str, entity: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        publish(key, method, entity, {})
    assert not StreamEvent.objects.exists()


def test_text_as_long_as_its_column_is_stored() -> None:
    """The characters have four bytes in UTF-8, and their order is random, so that an index cannot compress them."""
    letters = random.Random(1)
    key, entity = (
        "".join(chr(letters.randrange(0x1F300, 0x1FAFF)) for _ in range(length)) for length in (KEY_LENGTH, 255)
    )
    publish(key, "m" * 64, entity, {})
    assert sent(key) == [(1, "m" * 64, "{}")]


# The end of a stream


def test_an_ended_stream_is_removed_with_its_events() -> None:
    publish(KEY, "order_changed", "order", {})
    with transaction.atomic():
        publish(KEY, "order_changed", "order", {})
        end_stream(KEY)
    assert not Stream.objects.exists()
    assert not StreamEvent.objects.exists()


def test_an_event_after_the_end_begins_a_new_stream() -> None:
    publish(KEY, "order_changed", "order", {"n": 1})
    epoch = Stream.objects.get().epoch
    with transaction.atomic():
        end_stream(KEY)
        publish(KEY, "order_changed", "order", {"n": 2})
    number_and_announce([KEY])
    assert sent() == [(1, "order_changed", '{"n":2}')]
    assert Stream.objects.get().epoch != epoch


def test_the_end_of_a_stream_that_does_not_exist_leaves_nothing() -> None:
    end_stream(KEY)
    assert not Stream.objects.exists()
    assert not StreamEvent.objects.exists()


def test_a_rolled_back_end_does_not_end_the_stream() -> None:
    publish(KEY, "order_changed", "order", {})
    with pytest.raises(RuntimeError), transaction.atomic():
        end_stream(KEY)
        raise RuntimeError
    number_and_announce([KEY])
    assert len(sent()) == 1


# Failures of the numbering


@pytest.fixture
def numbering_fails(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    def fail(*args: Any) -> None:
        raise ConnectionError("the database is away")

    with monkeypatch.context() as context:
        context.setattr(numbering, "number", fail)
        yield context


def test_a_failure_to_number_after_the_commit_is_counted_and_not_raised(
    numbering_fails: pytest.MonkeyPatch,
) -> None:
    before = counts().get("numbering_failed", 0)
    publish(KEY, "order_changed", "order", {})
    assert counts()["numbering_failed"] == before + 1
    assert store.find_unnumbered(10) == [KEY]


def test_the_next_reader_numbers_the_events(numbering_fails: pytest.MonkeyPatch) -> None:
    publish(KEY, "order_changed", "order", {"n": 1})
    numbering_fails.undo()
    assert numbered_head(KEY).head == 1
    assert sent() == [(1, "order_changed", '{"n":1}')]


def test_the_next_writer_numbers_the_events(numbering_fails: pytest.MonkeyPatch) -> None:
    publish(KEY, "order_changed", "order", {"n": 1})
    numbering_fails.undo()
    publish(KEY, "order_changed", "order", {"n": 2})
    assert [event[2] for event in sent()] == ['{"n":1}', '{"n":2}']


def test_the_sweep_numbers_the_events(numbering_fails: pytest.MonkeyPatch) -> None:
    publish(KEY, "order_changed", "order", {"n": 1})
    numbering_fails.undo()
    number_next("")
    assert store.find_unnumbered(10) == []
    assert Stream.objects.get().head == 1


def test_the_sweep_removes_an_ended_stream(numbering_fails: pytest.MonkeyPatch) -> None:
    publish(KEY, "order_changed", "order", {})
    end_stream(KEY)
    numbering_fails.undo()
    number_next("")
    assert not StreamEvent.objects.exists()
    assert not Stream.objects.exists()


def test_a_failed_announcement_does_not_change_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise ConnectionError("the layer is away")

    monkeypatch.setattr(announcer, "announce", fail)
    publish(KEY, "order_changed", "order", {})
    assert [event[0] for event in sent()] == [1]
