"""Where a subscription starts, as a table: the options of the client, and the position of the stream."""

from typing import Any, NamedTuple

import pytest
from pydantic import ValidationError

from realtime.subscription.start_position import FromCursor, FromSnapshot, start_position
from realtime.wire.requests import Subscribe, SubscribeNotifications


class Stream(NamedTuple):
    epoch: str
    head: int
    floor: int


# What the client may have: (name, after) against a stream at head 42 whose events up to 10 are gone
STREAM = Stream("now", 42, 10)
AT_HEAD, WITHIN, AT_FLOOR, BELOW_FLOOR, AT_ZERO, BEYOND = 42, 30, 10, 9, 0, 43
REFUSED = FromSnapshot(0, recovered=False)
LIVE = FromCursor(42)

TABLE: list[tuple[dict[str, Any], FromCursor | FromSnapshot]] = [
    # The base protocol: at the head
    ({}, LIVE),
    ({"epoch": "now"}, LIVE),
    ({"epoch": "other"}, LIVE),
    ({"limit": 5}, LIVE),
    # All that follows a cursor; the default with `after`
    ({"after": AT_HEAD}, FromCursor(42)),
    ({"after": WITHIN}, FromCursor(30)),
    ({"after": AT_FLOOR}, FromCursor(10)),
    ({"after": BELOW_FLOOR}, REFUSED),
    ({"after": AT_ZERO}, REFUSED),
    ({"after": BEYOND}, REFUSED),
    ({"after": WITHIN, "epoch": "now"}, FromCursor(30)),
    ({"after": WITHIN, "epoch": "other"}, REFUSED),
    ({"after": AT_HEAD, "epoch": "other"}, REFUSED),
    ({"after": WITHIN, "replay": "all"}, FromCursor(30)),
    ({"after": BELOW_FLOOR, "replay": "all"}, REFUSED),
    ({"after": BEYOND, "replay": "all"}, REFUSED),
    ({"after": WITHIN, "epoch": "other", "replay": "all"}, REFUSED),
    # "all" without a cursor is the whole history, which is gone here
    ({"replay": "all"}, REFUSED),
    ({"replay": "all", "epoch": "now"}, REFUSED),
    # The newest event of each entity; with a cursor only those newer than it
    ({"replay": "latest"}, FromSnapshot(0, recovered=True)),
    ({"replay": "latest", "epoch": "now"}, FromSnapshot(0, recovered=True)),
    ({"replay": "latest", "epoch": "other"}, REFUSED),
    ({"after": AT_HEAD, "replay": "latest"}, FromSnapshot(42, recovered=True)),
    ({"after": WITHIN, "replay": "latest"}, FromSnapshot(30, recovered=True)),
    ({"after": AT_FLOOR, "replay": "latest"}, FromSnapshot(10, recovered=True)),
    ({"after": BELOW_FLOOR, "replay": "latest"}, REFUSED),
    ({"after": AT_ZERO, "replay": "latest"}, REFUSED),
    ({"after": BEYOND, "replay": "latest"}, REFUSED),
    ({"after": WITHIN, "epoch": "other", "replay": "latest"}, REFUSED),
    # Numbers without a replay: nothing can be refused
    ({"replay": "none"}, LIVE),
    ({"after": WITHIN, "replay": "none"}, LIVE),
    ({"after": BEYOND, "replay": "none"}, LIVE),
    ({"after": WITHIN, "epoch": "other", "replay": "none"}, LIVE),
]


@pytest.mark.parametrize(("options", "start"), TABLE, ids=[str(options) for options, _ in TABLE])
def test_a_replay_is_complete_or_refused(options: dict[str, Any], start: FromCursor | FromSnapshot) -> None:
    got = start_position(Subscribe.model_validate(options), STREAM)
    assert (type(got), got) == (type(start), start)


@pytest.mark.parametrize("options", [{"after": 0}, {"after": 0, "epoch": "now"}, {"replay": "all"}])
def test_the_whole_history_is_replayed_if_all_of_it_is_kept(options: dict[str, Any]) -> None:
    assert start_position(Subscribe.model_validate(options), Stream("now", 42, 0)) == FromCursor(0)


@pytest.mark.parametrize("options", [{"after": 0}, {"after": 0, "replay": "latest"}, {"replay": "latest"}])
def test_an_empty_stream_has_nothing_to_refuse(options: dict[str, Any]) -> None:
    assert start_position(Subscribe.model_validate(options), Stream("now", 0, 0)).recovered


def test_a_cursor_in_a_stream_that_was_emptied_is_refused() -> None:
    assert start_position(Subscribe(after=1), Stream("now", 0, 0)) == REFUSED


def test_notifications_without_a_cursor_start_at_the_head() -> None:
    assert start_position(SubscribeNotifications(), STREAM) == LIVE


def test_only_a_client_that_gives_a_cursor_or_a_replay_gets_numbers() -> None:
    assert not Subscribe().numbered
    assert not Subscribe(epoch="now").numbered
    assert Subscribe(after=0).numbered
    assert Subscribe.model_validate({"replay": "none"}).numbered
    assert SubscribeNotifications().numbered


@pytest.mark.parametrize(
    "options",
    [
        {"after": -1},
        {"after": 2**63},
        {"after": "1"},
        {"after": 1.0},
        {"after": True},
        {"replay": "some"},
        {"replay": 1},
        {"epoch": 1},
        {"limit": 0},
        {"limit": -1},
        {"limit": 10_001},
        {"limit": "5"},
    ],
)
def test_options_of_the_wrong_type_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Subscribe.model_validate(options)
