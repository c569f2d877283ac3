"""Ages, as people write them."""

from datetime import timedelta

import pytest
from pytest_django import Settings

from realtime.ages import ages_by_kind, parse_age

MONTH = timedelta(days=30)


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("7d", timedelta(days=7)),
        ("12h", timedelta(hours=12)),
        ("30m", timedelta(minutes=30)),
        ("90s", timedelta(seconds=90)),
        (timedelta(weeks=2), timedelta(weeks=2)),
    ],
)
def test_ages_are_parsed(text: object, age: timedelta) -> None:
    assert parse_age(text) == age


@pytest.mark.parametrize(
    "age", ["", "7", "7 d", "7w", "-7d", "0d", "999999999d", "9999999d", "٧d", timedelta(), timedelta(-1), 30, True]
)
def test_what_is_no_age_is_refused_with_examples(age: object) -> None:
    with pytest.raises(ValueError, match=r"is no age\. Write a whole number, above 0, and a unit: 7d, 12h"):
        parse_age(age)


def test_kinds_that_are_not_named_keep_their_defaults(settings: Settings) -> None:
    settings.REALTIME = {"RETENTION": {"graph": None, "orders": timedelta(days=1)}}
    others = dict.fromkeys(("graph_exec", "shared", "notifications"), MONTH)
    assert ages_by_kind() == {**others, "graph": None, "orders": timedelta(days=1)}


def test_without_a_setting_no_kind_of_ours_grows_for_ever(settings: Settings) -> None:
    settings.REALTIME = {}
    assert ages_by_kind() == dict.fromkeys(("graph_exec", "graph", "shared", "notifications"), MONTH)
