"""The check of the log finds each kind of damage, and its remedies repair it."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from realtime.log import integrity, store
from realtime.log.integrity import find_overdue, inspect_streams
from realtime.log.retention import prune
from realtime.log.types import EventDraft, StreamRef
from realtime.models import Stream, StreamEvent
from realtime.publish import publish
from realtime.publishing.after_commit import number_and_announce
from realtime.publishing.recording import record_events
from tests.realtime.side_by_side import Thread

pytestmark = pytest.mark.django_db(transaction=True)

KEY, OTHER = "u1|orders#7", "u1|letters#1"


@pytest.fixture(autouse=True)
def events(settings: Settings) -> None:
    settings.REALTIME = {"SWEEP_INTERVAL": 0.01}
    record_events(
        [EventDraft("changed", "1", (StreamRef(KEY, entity), StreamRef(OTHER, entity))) for entity in "aabac"]
    )


def faults(*keys: str) -> list[tuple[str, str]]:
    return [(fault.key, fault.description) for _, found in inspect_streams(keys) for fault in found]


def event(seq: int, key: str = KEY) -> Any:
    return StreamEvent.objects.filter(stream__key=key, seq=seq)


def stream(key: str = KEY) -> Any:
    return Stream.objects.filter(key=key)


def test_a_complete_log_has_no_faults() -> None:
    assert faults() == []
    prune(stream().get().pk, timezone.now() + timedelta(days=1))
    assert stream().get().floor == 5
    assert faults() == []


def test_an_empty_stream_has_no_faults() -> None:
    Stream.objects.create(key="u2|notifications")
    assert faults("u2|notifications") == []


DAMAGES: dict[str, tuple[Callable[[], Any], str]] = {
    "two gaps": (lambda: (event(2, OTHER).delete(), event(4, OTHER).delete()), "2 of its events 1 to 5 are missing"),
    "one gap": (lambda: event(3, OTHER).delete(), "1 of its events 1 to 5 are missing"),
    "no first event": (lambda: event(1, OTHER).delete(), "1 of its events 1 to 5 are missing"),
    "no event at the head": (
        lambda: event(5, OTHER).delete(),
        "1 of its events 1 to 5 are missing; the event at its head, 5, is missing",
    ),
    "no events": (
        lambda: StreamEvent.objects.filter(stream__key=OTHER).delete(),
        "5 of its events 1 to 5 are missing; the event at its head, 5, is missing",
    ),
    "only the head remains, and is missing": (
        lambda: (stream(OTHER).update(floor=5), event(5, OTHER).delete()),
        "the event at its head, 5, is missing",
    ),
    "the head is too low": (lambda: stream(OTHER).update(head=4), "it has an event 5, above its head 4"),
    "the head is too high": (
        lambda: stream(OTHER).update(head=7),
        "2 of its events 1 to 7 are missing; the event at its head, 7, is missing",
    ),
    "the floor is too low": (
        lambda: (event(1, OTHER).delete(), stream(OTHER).update(floor=0)),
        "1 of its events 1 to 5 are missing",
    ),
    "an event has the number 0": (lambda: event(1, OTHER).update(seq=0), "it has an event 0; numbers begin with 1"),
    "an event has no data": (
        lambda: event(1).update(data=None, data_of=event(2).get().pk),
        "1 of its events have no data",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_in_its_stream_and_in_no_other(damage: str) -> None:
    make_damage, description = DAMAGES[damage]
    make_damage()
    found = faults()
    assert (OTHER, description) in found
    assert {key for key, _ in found} == {OTHER}
    assert faults(KEY) == []


@pytest.mark.parametrize("damage", [name for name in DAMAGES if name != "an event has the number 0"])
def test_the_remedy_of_a_fault_repairs_it(damage: str) -> None:
    """Applies the remedies one by one, as an operator would."""
    make_damage, _ = DAMAGES[damage]
    make_damage()
    for _ in range(2):
        for _, found in inspect_streams():
            for fault in found:
                (sql,) = re.findall(r"`((?:UPDATE|DELETE) [^`]+;)`", fault.remedy)
                with connection.cursor() as cursor:
                    cursor.execute(sql)
    assert faults() == []
    assert store.read_head(OTHER)[0] is not None
    number_and_announce([OTHER])
    publish(OTHER, "changed", "z", {})
    assert faults() == []


def test_the_remedy_of_a_gap_changes_only_the_floor_so_that_writers_may_continue() -> None:
    event(3, OTHER).delete()
    ((_, [fault]),) = inspect_streams([OTHER])
    publish(OTHER, "changed", "z", {})
    assert f"floor = 3 WHERE id = {stream(OTHER).get().pk};" in fault.remedy
    assert "head" not in fault.remedy
    assert f"manage.py new_epochs '{OTHER}'" in fault.remedy


@pytest.mark.sqlite
def test_a_half_numbered_event_is_found() -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA ignore_check_constraints = ON")
        event(2).update(key=KEY)
        cursor.execute("PRAGMA ignore_check_constraints = OFF")
    assert faults() == [(KEY, "1 of its events are half numbered")]


def test_streams_are_checked_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "_BATCH_SIZE", 1)
    event(3, OTHER).delete()
    assert sorted((count, len(found)) for count, found in inspect_streams()) == [(1, 0), (1, 1)]


# Events without a number


def leave_unnumbered(age: timedelta) -> None:
    store.insert([EventDraft("changed", "1", (StreamRef(KEY, "a"),))])
    StreamEvent.objects.filter(seq=None).update(created_at=timezone.now() - age)


def test_an_overdue_event_is_a_fault() -> None:
    leave_unnumbered(timedelta(minutes=1))
    assert [(fault.key, fault.description) for fault in find_overdue()] == [(KEY, "1 of its events have no number")]
    assert [fault.key for fault in find_overdue([KEY])] == [KEY]
    assert find_overdue([OTHER]) == []


def test_a_recent_event_without_a_number_is_no_fault() -> None:
    leave_unnumbered(timedelta(seconds=1))
    assert find_overdue() == []


def test_an_old_event_that_is_numbered_before_the_second_read_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long transaction commits old events just before the check."""
    leave_unnumbered(timedelta(minutes=1))
    monkeypatch.setattr(integrity.time, "sleep", lambda seconds: number_and_announce([KEY]))
    assert find_overdue() == []


def test_beside_writers_and_pruners_no_fault_is_reported() -> None:
    def write() -> None:
        for number in range(15):
            publish(KEY, "changed", str(number % 3), {})
            prune(stream().get().pk, timezone.now() + timedelta(days=1))

    writer = Thread(write)
    found = []
    while writer.is_running:
        found += faults()
    writer.result()
    assert found + faults() == []
