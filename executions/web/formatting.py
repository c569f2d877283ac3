"""Formats durations, status labels and values for the pages. Long values are cut, and what is cut is not formatted: a
value of a megabyte costs no more than its first 2,000 characters.

static/executions/text.js gives the same texts in the browser. Pure: no Django, no I/O.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final, NamedTuple

from executions.validation import cut

MAX_SHOWN: Final = 2_000
"""The most characters of one value in a page. An output may have a million; a link leads to all of it."""
MAX_NAME: Final = 200
"""The most characters of the name of a value."""
MAX_VALUES: Final = 100
"""The most values of one list in a page. A node of ours has a handful."""


class Value(NamedTuple):
    """One input or output. `more` says what is cut from `text`; it is empty if nothing is."""

    name: str
    text: str
    more: str


def values(data: Mapping[str, Any], *, are_lists: bool = False) -> list[Value]:
    """Inputs or outputs by name; at most MAX_VALUES, and a last one for the others. With `are_lists`, a list with one
    value is shown as that value."""
    shown = [
        _value(str(name), value[0] if are_lists and isinstance(value, list) and len(value) == 1 else value)
        for name, value in islice(data.items(), MAX_VALUES)
    ]
    others = len(data) - len(shown)
    return [*shown, Value("…", "", f"and {others} more values")] if others else shown


def _value(name: str, value: Any) -> Value:
    name = cut(name, MAX_NAME)
    if isinstance(value, str):
        hidden = len(value) - MAX_SHOWN
        return Value(name, value[:MAX_SHOWN], f"and {hidden} more characters" if hidden > 0 else "")
    text = ""
    for chunk in _json_chunks(value, "\n"):
        text += chunk
        if len(text) > MAX_SHOWN:
            return Value(name, text[:MAX_SHOWN], "and more")
    return Value(name, text, "")


def _json_chunks(value: Any, line: str) -> Iterator[str]:
    """The text of `json.dumps(value, ensure_ascii=False, indent=2)` in pieces; of a long text, enough for MAX_SHOWN.
    `JSONEncoder.iterencode` would give a long text whole."""
    match value:
        case str():
            yield json.dumps(value[: MAX_SHOWN + 1], ensure_ascii=False)
        case list() if value:
            for index, item in enumerate(value):
                yield f"{',' if index else '['}{line}  "
                yield from _json_chunks(item, f"{line}  ")
            yield f"{line}]"
        case dict() if value:
            for index, (key, item) in enumerate(value.items()):
                name = json.dumps(key[: MAX_SHOWN + 1], ensure_ascii=False)
                yield f"{',' if index else '{'}{line}  {name}: "
                yield from _json_chunks(item, f"{line}  ")
            yield f"{line}}}"
        case _:
            yield json.dumps(value)


def label(status: str) -> str:
    """The text of the status badge."""
    return status.capitalize() if status else "Waiting"


def lasted(start: datetime | None, end: datetime | None) -> str:
    """The duration between two times; empty if one is missing."""
    return duration(end - start) if start and end else ""


def duration(time: timedelta) -> str:
    """`85 ms`, `1.2 s`, `3 min 05 s`, `2 h 05 min`."""
    seconds = max(0.0, time.total_seconds())
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"
    return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:02.0f} min"
