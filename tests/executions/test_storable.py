"""Which values can be stored, and the messages for the others."""

import json
import uuid
from collections import OrderedDict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from executions.storable import MAX_DEPTH, UnstorableValue, check_plain, check_text, is_text, plain_json

pytestmark = pytest.mark.once

NAN, INFINITY = float("nan"), float("inf")


def nested(levels: int) -> Any:
    value: Any = "deep"
    for _ in range(levels):
        value = [value]
    return value


def holding_itself() -> Any:
    value: list[Any] = []
    value.append({"again": value})
    return value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"result": [1, 2, 3, NAN]}, "outputs.result[3] holds NaN, which JSON cannot say."),
        ({"a": {"b": INFINITY}}, "outputs.a.b holds Infinity, which JSON cannot say."),
        ([-INFINITY], "outputs[0] holds -Infinity, which JSON cannot say."),
        (NAN, "outputs holds NaN, which JSON cannot say."),
        ({NAN: 1}, "a key of outputs is NaN, which JSON cannot say."),
        ({"a": "x\x00y"}, "outputs.a holds the character U+0000, which cannot be kept."),
        ({"a": {"\x00": 1}}, "a key of outputs.a holds the character U+0000, which cannot be kept."),
        ({"a": "\ud800"}, "outputs.a holds a lone surrogate (U+D800), which cannot be kept."),
        (["fine", {"\udfff": 1}], "a key of outputs[1] holds a lone surrogate (U+DFFF), which cannot be kept."),
        ({"a": ("fine", {1, 2})}, "outputs.a[1] holds a set, which JSON cannot say."),
        ({"a": b"bytes"}, "outputs.a holds a bytes, which JSON cannot say."),
        ({("a", "b"): 1}, "a key of outputs is a tuple; keys are text."),
        ({"a": nested(MAX_DEPTH)}, f"outputs nests deeper than {MAX_DEPTH} levels."),
        (nested(100_000), "outputs nests too deep, or holds itself."),
        (holding_itself(), "outputs: Circular reference detected."),
    ],
)
def test_a_value_that_cannot_be_stored_is_refused_with_its_path(value: Any, message: str) -> None:
    with pytest.raises(UnstorableValue) as caught:
        plain_json("outputs", value)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"result":[1,2,NaN]}', "outputs.result[2] holds NaN, which JSON cannot say."),
        ('{"a":{"b":1e999}}', "outputs.a.b holds Infinity, which JSON cannot say."),
        ('{"a":["\\u0000"]}', "outputs.a[0] holds the character U+0000, which cannot be kept."),
        ('{"a":{"\\ud800":1}}', "a key of outputs.a holds a lone surrogate (U+D800), which cannot be kept."),
        (json.dumps(nested(MAX_DEPTH + 1)), f"outputs nests deeper than {MAX_DEPTH} levels."),
        (json.dumps(nested(MAX_DEPTH)), None),
        ('{"a":[1,-1.5,true,null,"\\ud83d\\ude00",{"":{}}]}', None),
        ('"a"', None),
    ],
)
def test_what_json_has_parsed_is_checked_by_the_same_rules(text: str, message: str | None) -> None:
    for check in (check_plain, plain_json):
        if message is None:
            check("outputs", json.loads(text))
            continue
        with pytest.raises(UnstorableValue) as caught:
            check("outputs", json.loads(text))
        assert str(caught.value) == message


def test_the_message_names_the_first_of_several_faults_also_if_a_value_occurs_twice() -> None:
    twice = [1, 2]
    with pytest.raises(UnstorableValue, match=r"^outputs.c holds NaN"):
        plain_json("outputs", {"a": twice, "b": twice, "c": NAN, "d": INFINITY})


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [],
        0,
        "",
        False,
        {"emoji": "😀", "text": 'quotes " and \\ and \\u0000 written out', "control": "\x01\x7f\u2028"},
        {"numbers": [0, -1, 1.5, 1e300, 10**30], "nothing": None, "nested": {"a": [[{}]]}},
        nested(MAX_DEPTH),
    ],
)
def test_plain_values_do_not_change(value: Any) -> None:
    assert plain_json("outputs", value) == value


def test_values_that_the_encoder_can_write_become_what_the_column_returns() -> None:
    moment = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
    some_id = uuid.uuid4()
    value = {"at": moment, "price": Decimal("1.10"), "id": some_id, "pair": (1, 2), 3: OrderedDict(a=True)}
    assert plain_json("inputs", value) == {
        "at": "2024-05-06T07:08:09.123Z",
        "price": "1.10",
        "id": str(some_id),
        "pair": [1, 2],
        "3": {"a": True},
    }


def test_text_is_checked_by_the_same_rules() -> None:
    check_text("node_id", "any text: 😀 \x01", 20)
    assert [is_text(text) for text in ("any text: 😀 \x01", "a\x00b", "\udc00")] == [True, False, False]
    with pytest.raises(UnstorableValue, match=r"^node_id holds the character U\+0000"):
        check_text("node_id", "a\x00b")
    with pytest.raises(UnstorableValue, match=r"^event holds a lone surrogate \(U\+DC00\)"):
        check_text("event", "\udc00")
    with pytest.raises(UnstorableValue, match=r"^node_id holds 21 characters; 20 are the most"):
        check_text("node_id", "x" * 21, 20)
