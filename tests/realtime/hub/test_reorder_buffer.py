"""From announcements in any order to events in order, on its own."""

from dataclasses import dataclass

import pytest

from realtime.hub.reorder_buffer import ReorderBuffer


@dataclass(frozen=True)
class Event:
    seq: int
    text: str = ""


def events(*seqs: int) -> list[Event]:
    return [Event(seq) for seq in seqs]


def seqs(handed_on: list[Event]) -> list[int]:
    return [event.seq for event in handed_on]


def test_what_comes_in_order_is_handed_on_at_once() -> None:
    ordering: ReorderBuffer[Event] = ReorderBuffer(5)
    assert seqs(ordering.receive(events(6, 7))) == [6, 7]
    assert ordering.position == 7
    assert not ordering.has_gap


def test_what_came_too_early_waits_for_its_predecessors() -> None:
    ordering: ReorderBuffer[Event] = ReorderBuffer(0)
    assert ordering.receive(events(3)) == []
    assert ordering.has_gap
    assert ordering.receive(events(1)) == events(1)
    assert seqs(ordering.receive(events(2))) == [2, 3]
    assert not ordering.has_gap


def test_what_was_handed_on_is_not_handed_on_again() -> None:
    ordering: ReorderBuffer[Event] = ReorderBuffer(0)
    ordering.receive(events(1, 2))
    assert ordering.receive(events(2, 1)) == []
    assert seqs(ordering.receive(events(1, 2, 3, 3))) == [3]


def test_an_announcement_in_any_order_is_handed_on_in_order() -> None:
    assert seqs(ReorderBuffer[Event](0).receive(events(3, 1, 2))) == [1, 2, 3]


def test_to_hear_of_an_event_opens_a_gap_and_hands_on_nothing() -> None:
    ordering: ReorderBuffer[Event] = ReorderBuffer(4)
    ordering.note_exists(6)
    assert ordering.has_gap
    assert seqs(ordering.receive(events(5))) == [5]
    assert ordering.has_gap
    assert seqs(ordering.receive(events(6))) == [6]
    assert not ordering.has_gap


def test_to_hear_of_an_old_event_changes_nothing() -> None:
    ordering: ReorderBuffer[Event] = ReorderBuffer(4)
    ordering.note_exists(2)
    assert (ordering.position, ordering.known, ordering.has_gap) == (4, 4, False)


def test_after_a_jump_only_what_follows_is_handed_on() -> None:
    ordering: ReorderBuffer[Event] = ReorderBuffer(0)
    ordering.receive(events(2, 9, 12))
    ordering.skip_to(10)
    assert ordering.receive(events(2, 10)) == []
    assert seqs(ordering.receive(events(11))) == [11, 12]


def test_a_jump_does_not_make_it_forget_what_it_has_heard_of() -> None:
    ordering: ReorderBuffer[Event] = ReorderBuffer(0)
    ordering.note_exists(8)
    ordering.skip_to(5)
    assert ordering.has_gap


def test_only_so_many_events_are_kept_while_one_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.hub.reorder_buffer._MAX_EARLY", 3)
    ordering: ReorderBuffer[Event] = ReorderBuffer(0)
    ordering.receive(events(2, 3, 4, 5, 6))
    assert seqs(ordering.receive(events(1))) == [1, 2, 3, 4]
    assert ordering.has_gap  # what was dropped is read from the log


def test_the_missing_event_is_taken_however_many_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.hub.reorder_buffer._MAX_EARLY", 2)
    ordering: ReorderBuffer[Event] = ReorderBuffer(0)
    assert ordering.receive(events(3, 4)) == []
    assert seqs(ordering.receive(events(1, 2))) == [1, 2, 3, 4]


def test_one_announcement_in_order_is_handed_on_however_long_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.hub.reorder_buffer._MAX_EARLY", 2)
    assert seqs(ReorderBuffer[Event](0).receive(events(*range(1, 11)))) == list(range(1, 11))
