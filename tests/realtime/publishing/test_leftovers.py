"""Leftovers: committed events without a number."""

from collections.abc import Iterable

import pytest
from django.db import OperationalError, connection
from pytest_django import Settings

from realtime.log import numbering, store
from realtime.log.types import END, EventDraft, NumberedEvents, StreamRef
from realtime.metrics import counts
from realtime.models import Stream
from realtime.publish import publish
from realtime.publishing import after_commit
from realtime.publishing.leftovers import number_next, number_watched
from tests.realtime.publishing.announcements import increase
from tests.realtime.side_by_side import in_open_transaction, side_by_side

pytestmark = pytest.mark.django_db(transaction=True)

KEYS = [f"u1|orders#{number:03}" for number in range(25)]


def leave(keys: Iterable[str] = KEYS) -> None:
    """A writer commits an event of each stream and dies."""
    store.insert([EventDraft("order_changed", "{}", (StreamRef(key, "order"),)) for key in keys])


def number_all() -> None:
    after: str | None = ""
    while after is not None:
        after = number_next(after)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("after_commit", "leftovers"):
        monkeypatch.setattr(f"realtime.publishing.{module}.BATCH_SIZE", 10)


@pytest.mark.parametrize("look", [5, 1_000])
def test_the_watched_ones_are_numbered_and_no_others(
    look: int, settings: Settings, announced: list[NumberedEvents]
) -> None:
    """Whether or not one look at the leftovers finds them all."""
    settings.REALTIME = {"SWEEP_BATCH": look}
    leave()
    watched = [KEYS[20], KEYS[24], "u1|orders#quiet"]
    assert number_watched(watched)
    assert [each.key for each in announced] == [KEYS[20], KEYS[24]]
    assert store.find_unnumbered(100) == [key for key in KEYS if key not in watched]


def test_without_leftovers_there_is_nothing_to_do() -> None:
    assert not number_watched(KEYS)
    assert number_next("") is None


def test_all_others_are_numbered_in_batches_in_the_order_of_their_keys(
    small_batches: None, announced: list[NumberedEvents]
) -> None:
    leave()
    assert number_next("") == KEYS[9]
    assert number_next(KEYS[9]) == KEYS[19]
    assert number_next(KEYS[19]) is None
    assert [each.key for each in announced] == KEYS


def test_a_batch_is_numbered_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[list[str]] = []
    number = numbering.number

    def count_passes(keys: Iterable[str]) -> numbering.Pass:
        passes.append(list(keys))
        return number(keys)

    monkeypatch.setattr(numbering, "number", count_passes)
    leave()
    number_all()
    assert passes == [KEYS]


def test_a_watched_stream_that_was_ended_is_removed_beside_the_sweep(announced: list[NumberedEvents | str]) -> None:
    """The removal of a long stream takes long."""
    publish(KEYS[0], "order_changed", "order", {})
    store.insert([EventDraft(END, "null", (StreamRef(KEYS[0], ""),))])
    assert number_watched(KEYS)
    assert Stream.objects.filter(key=KEYS[0]).exists()
    number_all()
    assert announced[-1] == KEYS[0]
    assert not Stream.objects.exists()


def test_a_stream_that_cannot_be_numbered_does_not_hold_up_those_of_its_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, number = counts(), numbering.number

    def fail_for_one(keys: Iterable[str]) -> numbering.Pass:
        if KEYS[3] in list(keys):
            raise OperationalError
        return number(keys)

    monkeypatch.setattr(after_commit.numbering, "number", fail_for_one)
    leave()
    number_all()
    assert store.find_unnumbered(100) == [KEYS[3]]
    assert increase("numbering_failed", before) == 1


@pytest.mark.postgres
def test_locked_streams_do_not_hold_up_those_that_follow(small_batches: None) -> None:
    for key in KEYS[:10]:
        publish(key, "order_changed", "order", {})
    leave()
    with in_open_transaction(lambda: store.lock_streams(KEYS[:10])):
        number_all()
        assert store.find_unnumbered(100) == KEYS[:10]


def test_several_processes_share_the_work(small_batches: None) -> None:
    leave(key for _ in range(4 if connection.vendor == "postgresql" else 1) for key in KEYS)
    side_by_side(number_all, number_all, number_all)
    number_all()
    assert store.find_unnumbered(1) == []
    assert set(Stream.objects.values_list("head", flat=True)) == {4 if connection.vendor == "postgresql" else 1}
