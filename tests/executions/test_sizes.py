"""The size of a value in bytes."""

import json
from typing import Any

import pytest

from executions.sizes import size_of


@pytest.mark.parametrize(
    "value", ["", "a text", "é" * 10, [], [1, "two", None], {"a": {"b": ["c", "d"]}, "e": [[], {}]}, 12345, 10**400]
)
def test_the_size_is_about_that_of_the_json(value: Any) -> None:
    size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    assert size * 0.8 <= size_of(value, 10**9) <= size * 2 + 8


def test_a_value_that_occurs_often_counts_each_time() -> None:
    text = "x" * 1_000
    assert size_of([text] * 1_000, 10**9) > 1_000_000


def test_the_work_is_bounded_by_the_limit() -> None:
    """Written as JSON, this value has 10^27 elements."""
    value: list[Any] = []
    for _ in range(9):
        value = [value] * 1_000
    assert 5_000 < size_of(value, 5_000) < 20_000
