"""Events that arrive in any order are returned in order."""

from dataclasses import dataclass

import pytest

from realtime.hub.reorder_buffer import ReorderBuffer


@dataclass(frozen=True)
class Event:
    seq: int
    text: str = ""


def events(*seqs: int) -> list[Event]:
    return [Event(seq) for seq in seqs]


def seqs(returned: list[Event]) -> list[int]:
    return [event.seq for event in returned]


def test_events_in_order_are_returned_at_once() -> None:
    ordering: ReorderBuffer[Event] = ReorderBuffer(5)
    assert seqs(ordering.receive(events(6, 7))) == [6, 7]
    assert ordering.position == 7
    assert not ordering.has_gap


def test_an_early_event_waits_for_the_missing_one() -> None:
    ordering: ReorderBuffer[Event] = ReorderBuffer(0)
    assert ordering.receive(events(3)) == []
    assert ordering.has_gap
    assert ordering.receive(events(1)) == events(1)
    assert seqs(ordering.receive(events(2))) == [2, 3]
    assert not ordering.has_gap


def test_a_returned_event_is_not_returned_again() -> None:
    ordering: ReorderBuffer[Event] = ReorderBuffer(0)
    ordering.receive(events(1, 2))
    assert ordering.receive(events(2, 1)) == []
    assert seqs(ordering.receive(events(1, 2, 3, 3))) == [3]


def test_an_announcement_in_any_order_is_returned_in_order() -> None:
    assert seqs(ReorderBuffer[Event](0).receive(events(3, 1, 2))) == [1, 2, 3]


def test_noting_that_an_event_exists_opens_a_gap_and_returns_nothing() -> None:
    ordering: ReorderBuffer[Event] = ReorderBuffer(4)
    ordering.note_exists(6)
    assert ordering.has_gap
    assert seqs(ordering.receive(events(5))) == [5]
    assert ordering.has_gap
    assert seqs(ordering.receive(events(6))) == [6]
    assert not ordering.has_gap


def test_noting_an_old_event_changes_nothing() -> None:
    ordering: ReorderBuffer[Event] = ReorderBuffer(4)
    ordering.note_exists(2)
    assert (ordering.position, ordering.known, ordering.has_gap) == (4, 4, False)


def test_after_a_skip_only_later_events_are_returned() -> None:
    ordering: ReorderBuffer[Event] = ReorderBuffer(0)
    ordering.receive(events(2, 9, 12))
    ordering.skip_to(10)
    assert ordering.receive(events(2, 10)) == []
    assert seqs(ordering.receive(events(11))) == [11, 12]


def test_a_skip_keeps_the_highest_known_number() -> None:
    ordering: ReorderBuffer[Event] = ReorderBuffer(0)
    ordering.note_exists(8)
    ordering.skip_to(5)
    assert ordering.has_gap


def test_the_number_of_kept_early_events_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.hub.reorder_buffer._MAX_EARLY", 3)
    ordering: ReorderBuffer[Event] = ReorderBuffer(0)
    ordering.receive(events(2, 3, 4, 5, 6))
    assert seqs(ordering.receive(events(1))) == [1, 2, 3, 4]
    assert ordering.has_gap  # what was dropped is read from the log


def test_the_missing_event_is_taken_when_the_buffer_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.hub.reorder_buffer._MAX_EARLY", 2)
    ordering: ReorderBuffer[Event] = ReorderBuffer(0)
    assert ordering.receive(events(3, 4)) == []
    assert seqs(ordering.receive(events(1, 2))) == [1, 2, 3, 4]


def test_a_long_announcement_in_order_is_returned_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.hub.reorder_buffer._MAX_EARLY", 2)
    assert seqs(ReorderBuffer[Event](0).receive(events(*range(1, 11)))) == list(range(1, 11))
