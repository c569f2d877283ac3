"""How long events are kept, by the kind of their stream: `REALTIME["RETENTION"]`, over its defaults."""

import re
from datetime import UTC, datetime, timedelta

from realtime.conf import DEFAULTS, limits

UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def parse_age(age: object) -> timedelta:
    """Accepts a timedelta, 7d, 12h, 30m or 90s. Raises ValueError for anything else, for an age that is not above 0 and
    for one that begins before year 1."""
    try:
        match = re.fullmatch(r"([0-9]{1,9})([dhms])", age) if isinstance(age, str) else None
        parsed = timedelta(**{UNITS[match[2]]: int(match[1])}) if match else age
        if isinstance(parsed, timedelta) and parsed > timedelta() and datetime.now(UTC) - parsed:
            return parsed
    except OverflowError:
        pass
    raise ValueError(f"{age!r} is no age. Write a whole number, above 0, and a unit: 7d, 12h, 30m or 90s.")


def ages_by_kind() -> dict[str, timedelta | None]:
    """The age of each kind that is named. None: its events are kept for ever. Raises ValueError as `parse_age` does."""
    named = {**DEFAULTS.RETENTION, **limits.RETENTION}
    return {kind: None if age is None else parse_age(age) for kind, age in named.items()}
