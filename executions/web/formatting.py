"""What people read of a run: durations, labels, and values of any size, cut where a page would choke on them.

static/executions/text.js says the same in the browser. Pure: no Django, no I/O.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

MAX_SHOWN: Final = 2_000
"""Characters of one value in a page. Somebody's output may have a million; a link leads to the whole."""


class Value(NamedTuple):
    """One input or output. `hidden` is how many characters of it are not in `text`."""

    name: str
    text: str
    hidden: int


def values(data: Mapping[str, Any], *, are_lists: bool = False) -> list[Value]:
    """Inputs by name; or outputs, where each name has a list and a single entry of it stands for itself."""
    return [
        _value(str(name), value[0] if are_lists and isinstance(value, list) and len(value) == 1 else value)
        for name, value in data.items()
    ]


def _value(name: str, value: Any) -> Value:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return Value(name, text[:MAX_SHOWN], max(0, len(text) - MAX_SHOWN))


def label(status: str) -> str:
    """What stands on the badge."""
    return status.capitalize() if status else "Waiting"


def lasted(start: datetime | None, end: datetime | None) -> str:
    """How long something took; nothing where it has not begun, or not ended."""
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
