"""Formats durations, status labels and values for the pages. Long values are cut.

static/executions/text.js gives the same texts in the browser. Pure: no Django, no I/O.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

MAX_SHOWN: Final = 2_000
"""The most characters of one value in a page. An output may have a million; a link leads to all of it."""


class Value(NamedTuple):
    """One input or output. `hidden` is the number of characters that are cut from `text`."""

    name: str
    text: str
    hidden: int


def values(data: Mapping[str, Any], *, are_lists: bool = False) -> list[Value]:
    """Inputs or outputs by name. With `are_lists`, a list with one value is shown as that value."""
    return [
        _value(str(name), value[0] if are_lists and isinstance(value, list) and len(value) == 1 else value)
        for name, value in data.items()
    ]


def _value(name: str, value: Any) -> Value:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return Value(name, text[:MAX_SHOWN], max(0, len(text) - MAX_SHOWN))


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
