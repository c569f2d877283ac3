"""Bounds of JSON that people and programs send."""

import json
import tracemalloc
from typing import Any

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from executions.bounded_json import BoundedDecoder, NotJSON, TooManyValues, parse_json
from executions.conf import DEFAULTS

pytestmark = pytest.mark.once

DEPTH = DEFAULTS.MAX_JSON_DEPTH


def refused(body: bytes) -> NotJSON:
    with pytest.raises(NotJSON) as caught:
        parse_json(body)
    assert len(str(caught.value)) < 100
    return caught.value


json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(alphabet='ab,[]{}"\\é'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet=',[]{}"\\'), inner),
)


def count(value: Any) -> int:
    """Values, and empty containers twice."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return 1 + (inner != [] and sum(map(count, inner))) + (value in ({}, []) and isinstance(value, (dict, list)))


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@given(json_values, st.booleans(), st.sampled_from([None, 2]))
def test_values_are_counted_as_they_are(value: Any, is_ascii: bool, indent: int | None) -> None:
    body = json.dumps(value, ensure_ascii=is_ascii, indent=indent).encode()
    with override_settings(EXECUTIONS={"MAX_JSON_VALUES": count(value), "MAX_JSON_DEPTH": depth(value)}):
        assert parse_json(body) == value
    if count(value) > 1:
        with override_settings(EXECUTIONS={"MAX_JSON_VALUES": count(value) - 1}), pytest.raises(TooManyValues):
            parse_json(body)
    if depth(value):
        with override_settings(EXECUTIONS={"MAX_JSON_DEPTH": depth(value) - 1}), pytest.raises(NotJSON):
            parse_json(body)


@pytest.mark.parametrize(
    "value",
    [
        list(range(50_000)),
        "a, b [c] {d}, " * 100_000,
        ['"' * 100_000, "\\" * 100_001, ',"[' * 50_000],
        {f"key {number}": {"x": 1.5, "y": [number]} for number in range(15_000)},
    ],
    ids=["50,000 numbers", "a megabyte of prose", "quotes", "records"],
)
def test_large_real_data_is_taken(value: Any) -> None:
    assert parse_json(json.dumps(value).encode()) == value


def test_a_refusal_names_the_limit() -> None:
    assert str(refused(b"[" + b"1," * 100_000 + b"1]")) == "It has more than 100,000 values."
    assert str(refused(b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1))) == f"It nests deeper than {DEPTH} levels."
    assert str(refused(b"9" * 4_301)) == "A number has more than 4,300 digits."
    assert parse_json(b"[" * DEPTH + b"]" * DEPTH)
    assert parse_json(b"9" * 4_300)


@pytest.mark.parametrize(
    "body",
    [
        b'{"links":[' + b"{}," * 690_000 + b"{}]}",
        b"[" + b"[]," * 650_000 + b"1]",
        b"[" * 2_000_000,
        b'{"a":' * 400_000,
        b"[" + b"1," * 999_999 + b"1]",
        b"[" + b'"",' * 660_000 + b'""]',
        b"[" + b'"[",' * 500_000 + b"1]",
        b'"["]' * 500_000,
        b'""' * 1_000_000,
        b'"' + b"\\\\" * 1_000_000,
        b"{" + b",".join(b'"%d":0' % number for number in range(150_000)) + b"}",
        b"{" + b'"a":0,' * 300_000 + b'"a":0}',
        b"9" * 2_000_000,
        b"\xef\xbb\xbf[]",
        "[]".encode("utf-16"),
        "[]".encode("utf-32"),
        b"\xff" * 2_000_000,
        b"",
        b"\0" * 2_000_000,
        b"\x1f\x8b\x08" + b"\0" * 1_000,
    ],
    ids=lambda body: f"{body[:20]!r} {len(body)}",
)
def test_a_refusal_costs_little_memory(body: bytes) -> None:
    tracemalloc.start()
    try:
        refused(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5 * len(body) + 100_000  # bytes


def test_the_decoder_of_form_fields_has_the_same_bounds(settings: Settings) -> None:
    settings.EXECUTIONS = {"MAX_JSON_VALUES": 3}
    assert json.loads("[1,2]", cls=BoundedDecoder) == [1, 2]
    for text in ("[1,2,3]", "9" * 5_000, "[" * 100_000, "{", "\ud800"):
        with pytest.raises(json.JSONDecodeError):
            json.loads(text, cls=BoundedDecoder)
