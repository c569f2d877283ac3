"""The oracle itself: it sees what is wrong, and nothing else."""

from typing import Any

import pytest

from tests.faults.history import CHANGED, DOUBLED, LOST, OUT_OF_ORDER, UNASKED, Breaches, History


class Play:
    """One history; events are told by their numbers."""

    def __init__(self) -> None:
        self.breaches = Breaches()
        self.seen: dict[tuple[str, str, int], int] = {}
        self.history = History("U|graph_exec#E", self.seen, self.breaches)

    def answered(self, head: int, *, recovered: bool = True, epoch: str = "e") -> None:
        self.history.answered({"epoch": epoch, "head": head, "recovered": recovered})

    def events(self, *seqs: int) -> None:
        for seq in seqs:
            self.history.event(seq, f"event {seq}")


@pytest.fixture
def play() -> Play:
    return Play()


def test_a_whole_history_over_several_connections_is_well(play: Play) -> None:
    assert play.history.wish() == {"after": 0}
    play.answered(3)
    play.events(1, 2)
    play.history.disconnected()
    assert play.history.wish() == {"after": 2, "epoch": "e"}
    play.answered(5)
    assert not play.history.has_reached(5)
    play.events(3, 4, 5, 6)
    assert play.history.has_reached(6)
    assert not play.breaches


def test_a_forced_snapshot_rises_with_holes_to_its_head_and_is_contiguous_from_there(play: Play) -> None:
    play.answered(2)
    play.events(1, 2)
    play.answered(9, recovered=False, epoch="another")
    play.events(4, 7)
    assert not play.history.has_reached(9)
    play.events(9, 10)
    assert play.history.has_reached(10)
    assert not play.breaches
    assert play.history.snapshots == 1


def test_a_snapshot_that_was_cut_off_goes_on_from_its_last_event(play: Play) -> None:
    play.answered(9, recovered=False)
    play.events(4)
    play.history.disconnected()
    play.answered(9)
    play.events(5, 6, 7, 8, 9)
    assert not play.breaches


WRONG: list[tuple[str, list[int], dict[str, int]]] = [
    ("a hole", [1, 2, 5], {LOST: 2}),
    ("the same again", [1, 2, 2], {DOUBLED: 1}),
    ("an old one", [1, 2, 3, 1], {OUT_OF_ORDER: 1}),
]


@pytest.mark.parametrize(("name", "seqs", "counts"), WRONG, ids=[name for name, _, _ in WRONG])
def test_what_is_wrong_is_counted(name: str, seqs: list[int], counts: dict[str, int], play: Play) -> None:
    play.answered(3)
    play.events(*seqs)
    assert play.breaches.counts == counts


def test_a_hole_after_a_snapshot_is_a_loss(play: Play) -> None:
    play.answered(9, recovered=False)
    play.events(9, 11)
    assert play.breaches.counts == {LOST: 1}


def test_a_snapshot_that_does_not_rise_or_passes_its_head_is_out_of_order(play: Play) -> None:
    play.answered(9, recovered=False)
    play.events(4, 3, 10)
    assert play.breaches.counts == {OUT_OF_ORDER: 2}


def test_an_event_before_the_answer_or_without_a_number_was_not_asked_for(play: Play) -> None:
    play.events(1)
    play.answered(1)
    play.history.event(None, "")
    play.history.disconnected()
    play.events(1)
    assert play.breaches.counts == {UNASKED: 3}


@pytest.mark.parametrize(
    ("answer", "kind"), [({"head": 3, "epoch": "another"}, CHANGED), ({"head": 2, "epoch": "e"}, LOST)]
)
def test_a_recovery_that_is_none_is_seen(answer: dict[str, Any], kind: str, play: Play) -> None:
    play.answered(3)
    play.events(1, 2, 3)
    play.answered(**answer)
    assert play.breaches.counts == {kind: 1}


def test_an_event_that_another_client_got_otherwise_has_changed(play: Play) -> None:
    play.answered(1)
    play.events(1)
    other = History(play.history.key, play.seen, play.breaches)
    other.answered({"epoch": "e", "head": 1, "recovered": True})
    other.event(1, "something else")
    assert play.breaches.counts == {CHANGED: 1}
