"""The checker of one client: it counts all violations and nothing else."""

from typing import Any

import pytest

from tests.faults.history import CHANGED, DOUBLED, LOST, OUT_OF_ORDER, UNASKED, History, Violations


class Client:
    """One history, whose events have their number as data."""

    def __init__(self) -> None:
        self.violations = Violations()
        self.seen: dict[tuple[str, str, int], int] = {}
        self.history = History("U|graph_exec#E", self.seen, self.violations)

    def answered(self, head: int, *, recovered: bool = True, epoch: str = "e") -> None:
        self.history.answered({"epoch": epoch, "head": head, "recovered": recovered})

    def events(self, *seqs: int) -> None:
        for seq in seqs:
            self.history.event(seq, f"event {seq}")


@pytest.fixture
def client() -> Client:
    return Client()


def test_a_complete_history_over_several_connections_has_no_violation(client: Client) -> None:
    assert client.history.options() == {"after": 0}
    client.answered(3)
    client.events(1, 2)
    client.history.disconnected()
    assert client.history.options() == {"after": 2, "epoch": "e"}
    client.answered(5)
    assert not client.history.has_reached(5)
    client.events(3, 4, 5, 6)
    assert client.history.has_reached(6)
    assert not client.violations


def test_a_snapshot_may_have_gaps_up_to_its_head(client: Client) -> None:
    client.answered(2)
    client.events(1, 2)
    client.answered(9, recovered=False, epoch="another")
    client.events(4, 7)
    assert not client.history.has_reached(9)
    client.events(9, 10)
    assert client.history.has_reached(10)
    assert not client.violations
    assert client.history.snapshots == 1


def test_an_interrupted_snapshot_continues_after_its_last_event(client: Client) -> None:
    client.answered(9, recovered=False)
    client.events(4)
    client.history.disconnected()
    client.answered(9)
    client.events(5, 6, 7, 8, 9)
    assert not client.violations


WRONG: list[tuple[str, list[int], dict[str, int]]] = [
    ("a gap", [1, 2, 5], {LOST: 2}),
    ("the same event again", [1, 2, 2], {DOUBLED: 1}),
    ("an old event", [1, 2, 3, 1], {OUT_OF_ORDER: 1}),
]


@pytest.mark.parametrize(("name", "seqs", "counts"), WRONG, ids=[name for name, _, _ in WRONG])
def test_violations_are_counted(name: str, seqs: list[int], counts: dict[str, int], client: Client) -> None:
    client.answered(3)
    client.events(*seqs)
    assert client.violations.counts == counts


def test_a_gap_after_a_snapshot_is_a_loss(client: Client) -> None:
    client.answered(9, recovered=False)
    client.events(9, 11)
    assert client.violations.counts == {LOST: 1}


def test_a_snapshot_that_does_not_rise_or_passes_its_head_is_out_of_order(client: Client) -> None:
    client.answered(9, recovered=False)
    client.events(4, 3, 10)
    assert client.violations.counts == {OUT_OF_ORDER: 2}


def test_an_event_before_the_answer_or_without_a_number_is_unasked(client: Client) -> None:
    client.events(1)
    client.answered(1)
    client.history.event(None, "")
    client.history.disconnected()
    client.events(1)
    assert client.violations.counts == {UNASKED: 3}


@pytest.mark.parametrize(
    ("answer", "kind"), [({"head": 3, "epoch": "another"}, CHANGED), ({"head": 2, "epoch": "e"}, LOST)]
)
def test_a_false_recovery_is_counted(answer: dict[str, Any], kind: str, client: Client) -> None:
    client.answered(3)
    client.events(1, 2, 3)
    client.answered(**answer)
    assert client.violations.counts == {kind: 1}


def test_an_event_that_another_client_got_with_other_data_is_changed(client: Client) -> None:
    client.answered(1)
    client.events(1)
    other = History(client.history.key, client.seen, client.violations)
    other.answered({"epoch": "e", "head": 1, "recovered": True})
    other.event(1, "something else")
    assert client.violations.counts == {CHANGED: 1}
