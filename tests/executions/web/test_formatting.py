"""Formats of durations, labels and values. tests/js/text.test.mjs has the same cases: server and browser must agree."""

from datetime import UTC, datetime, timedelta

import pytest

from executions.web.formatting import Value, duration, label, lasted, values


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (-1, "0 ms"),
        (0, "0 ms"),
        (85, "85 ms"),
        (999, "999 ms"),
        (1_000, "1.0 s"),
        (1_240, "1.2 s"),
        (59_900, "59.9 s"),
        (60_000, "1 min 00 s"),
        (185_000, "3 min 05 s"),
        (3_599_000, "59 min 59 s"),
        (3_600_000, "1 h 00 min"),
        (7_500_000, "2 h 05 min"),
        (360_000_000, "100 h 00 min"),
    ],
)
def test_a_duration_has_readable_units(milliseconds: int, text: str) -> None:
    assert duration(timedelta(milliseconds=milliseconds)) == text


def test_an_open_interval_has_no_duration() -> None:
    now = datetime.now(UTC)
    assert lasted(None, None) == lasted(now, None) == ""
    assert lasted(now, now + timedelta(seconds=2)) == "2.0 s"


def test_a_label_is_the_status_in_words() -> None:
    assert [label(each) for each in ("RUNNING", "REVIEW", "")] == ["Running", "Review", "Waiting"]


def test_values_are_shown_as_text_or_json() -> None:
    assert values({"text": "a\nb", "list": [1, "ä"], "nothing": None}) == [
        Value("text", "a\nb", 0),
        Value("list", '[\n  1,\n  "ä"\n]', 0),
        Value("nothing", "null", 0),
    ]


def test_a_list_with_one_value_is_shown_as_that_value() -> None:
    shown = values({"one": ["a"], "two": [1, 2], "none": []}, are_lists=True)
    assert [value.text for value in shown] == ["a", "[\n  1,\n  2\n]", "[]"]


def test_a_long_value_is_cut_with_the_number_of_hidden_characters() -> None:
    (value,) = values({"text": "😀" * 2_500})
    assert (value.text, value.hidden) == ("😀" * 2_000, 500)
