"""JSON of bodies, form fields and files: values within the bounds, as the json module reads them, or NotJSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.bounded_json import NotJSON, parse_json
from executions.conf import limits
from executions.storable import UnstorableValue, plain_json
from tests.fuzz.inputs import json_bytes, json_values, spliced
from tests.fuzz.oracles import LONG_REPR, SHORT, at_most_calls

pytestmark = [pytest.mark.once, LONG_REPR]

many = st.builds(
    lambda piece, times: b"[" + piece * times + b"0]",
    st.sampled_from([b"[],", b'"",', b'{"a":0},', b'"[[",', b'"\\\\",', b"1,", b'"\\"",']),
    st.sampled_from([1, 100, 30_000, 60_000]),
)
bodies = st.one_of(json_bytes(json_values), st.binary(max_size=60), many, spliced(many))


def size(value: Any) -> tuple[int, int]:
    """How many values there are in this one, and how many levels."""
    values, depth, level = 1, 0, [value]
    while level := [each for each in level if isinstance(each, (list, dict))]:
        depth += 1
        level = [child for each in level for child in (each.values() if isinstance(each, dict) else each)]
        values += len(level)
    return values, depth


@SHORT
@given(bodies)
def test_a_body_is_what_the_json_module_reads_or_is_not_json(body: bytes) -> None:
    try:
        with at_most_calls(2_000 + 5 * len(body)):
            value = parse_json(body)
    except NotJSON as error:
        assert len(str(error)) < 500
        try:
            read = json.loads(body.decode())
        except (ValueError, RecursionError):
            return
        values, depth = size(read)
        # The same key twice, and empty lists, count more than what is left of them.
        marks = body.count(b",") + body.count(b"[") + body.count(b"{")
        assert depth > limits.MAX_JSON_DEPTH or max(values, marks) > limits.MAX_JSON_VALUES - 1, error
        return
    assert repr(value) == repr(json.loads(body.decode()))
    values, depth = size(value)
    assert values <= limits.MAX_JSON_VALUES
    assert depth <= limits.MAX_JSON_DEPTH


@SHORT
@given(json_values)
def test_a_value_that_can_be_stored_is_plain_json_and_stays_as_it_is(value: Any) -> None:
    try:
        plain = plain_json("value", value)
    except UnstorableValue as error:
        assert len(str(error)) < 100_000
        return
    json.dumps(plain, allow_nan=False, ensure_ascii=False).encode()
    assert plain_json("value", plain) == plain
