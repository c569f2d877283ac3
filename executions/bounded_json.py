"""Parses JSON that people and programs send. Everything of this kind is parsed here, so that all of it has the same
bounds: how many values, and how many levels.

Two megabytes of `[{},{},…]` are 690,000 dictionaries: 50 MB after parsing, and gigabytes if each of them has an error.
So the values and the levels are counted before parsing, in the raw bytes. That costs a few milliseconds a megabyte and
builds no object for a value.
"""

import json
import re
from typing import Any, Final

from executions.conf import limits

_MARKS: Final = b'",[]{}'
_ALL_BUT_MARKS: Final = bytes(set(range(256)) - set(_MARKS))
_STRING_OR_MARKS: Final = re.compile(rb'"[^"]*"?|[^"]+')
_STEP: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


class NotJSON(json.JSONDecodeError):
    """Text that is not JSON, or not within the bounds. The message is for people, and quotes nothing of the text."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "", 0)
        self.args = (message,)


class TooManyValues(NotJSON):
    """JSON of more than MAX_JSON_VALUES values."""


def parse_json(body: bytes) -> Any:
    """The value of a body in UTF-8. Raises NotJSON and nothing else."""
    _check_bounds(body)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise NotJSON("It is not UTF-8.") from None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise NotJSON(str(error)) from None
    except RecursionError:
        raise NotJSON("It nests too deep.") from None
    except ValueError:
        raise NotJSON("A number has more than 4,300 digits.") from None


class BoundedDecoder(json.JSONDecoder):
    """The decoder of form fields, which take a class. Raises NotJSON and nothing else."""

    def decode(self, s: str, *args: Any) -> Any:
        return parse_json(s.encode("utf-8", "replace"))


def _check_bounds(body: bytes) -> None:
    # Most bodies are far below the limits, even if their strings are not told apart.
    openings = body.count(b"[") + body.count(b"{")
    if openings + body.count(b",") >= limits.MAX_JSON_VALUES or openings > limits.MAX_JSON_DEPTH:
        _check_outside_strings(body)


def _check_outside_strings(body: bytes) -> None:
    marks = body.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _ALL_BUT_MARKS)
    marks = marks.replace(b'""', b"")  # strings without marks; two strings side by side become one
    values, depth = 1, 0  # each value but the first follows a comma or an opening bracket
    max_values, max_depth = limits.MAX_JSON_VALUES, limits.MAX_JSON_DEPTH
    for match in _STRING_OR_MARKS.finditer(marks):
        run = match[0]
        if run.startswith(b'"'):
            continue
        openings = run.count(b"[") + run.count(b"{")
        values += openings + run.count(b",")
        if values > max_values:
            raise TooManyValues(f"It has more than {max_values:,} values.")
        if depth + openings <= max_depth:
            depth += openings - run.count(b"]") - run.count(b"}")
        else:
            for mark in run:
                depth += _STEP.get(mark, 0)
                if depth > max_depth:
                    raise NotJSON(f"It nests deeper than {max_depth} levels.")
        if depth < 0:
            return  # this is not JSON; the decoder says where
