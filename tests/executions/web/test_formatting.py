"""Formats of durations, labels and values. tests/js/text.test.mjs has the same cases: server and browser must agree."""

import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.web.formatting import MAX_SHOWN, Value, duration, label, lasted, values

pytestmark = pytest.mark.once


def nested(depth: int, value: Any) -> Any:
    for _ in range(depth):
        value = [value]
    return value


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
        Value("text", "a\nb", ""),
        Value("list", '[\n  1,\n  "ä"\n]', ""),
        Value("nothing", "null", ""),
    ]


def test_a_list_with_one_value_is_shown_as_that_value() -> None:
    shown = values({"one": ["a"], "two": [1, 2], "none": []}, are_lists=True)
    assert [value.text for value in shown] == ["a", "[\n  1,\n  2\n]", "[]"]


def test_a_long_text_is_cut_with_the_number_of_hidden_characters() -> None:
    (value,) = values({"text": "😀" * 2_500})
    assert (value.text, value.more) == ("😀" * 2_000, "and 500 more characters")
    assert values({"text": "x" * 2_000}) == [Value("text", "x" * 2_000, "")]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values.filter(lambda value: not isinstance(value, str)))
def test_the_text_of_a_value_is_the_start_of_its_json(value: Any) -> None:
    whole = json.dumps(value, ensure_ascii=False, indent=2)
    more = "and more" if len(whole) > MAX_SHOWN else ""
    assert values({"a": value}) == [Value("a", whole[:MAX_SHOWN], more)]


@pytest.mark.parametrize(
    "value",
    [
        nested(190, list(range(100_000))),
        nested(190, ["x" * 10_000] * 80),
        ["\x01" * 800_000],
        {"k" * 800_000: 1},
        {"k": {str(number): {} for number in range(100_000)}},
    ],
    ids=["deep numbers", "deep texts", "a long text", "a long key", "many keys"],
)
def test_what_is_cut_is_not_formatted(value: Any) -> None:
    whole = json.dumps(value, ensure_ascii=False, indent=2)
    tracemalloc.start()
    try:
        assert values({"a": value}) == [Value("a", whole[:MAX_SHOWN], "and more")]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200_000  # bytes


def test_a_page_shows_a_hundred_values_of_a_list() -> None:
    shown = values({str(number): number for number in range(250)})
    assert (len(shown), shown[99].text, shown[100]) == (101, "99", Value("…", "", "and 150 more values"))
    assert len(values({str(number): number for number in range(100)})) == 100


def test_a_long_name_is_cut() -> None:
    assert [value.name for value in values({"n" * 200: 1, "m" * 201: 1})] == ["n" * 200, "m" * 200 + "…"]
