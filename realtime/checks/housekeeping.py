"""Checks of the housekeeping: E006, W010, W011. `check_limits` calls them, once the types of the values are right."""

import difflib
from collections.abc import Iterator

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning

from realtime.ages import parse_age
from realtime.conf import DEFAULTS, limits

_WHERE = ("server", "command", "off")


def check_housekeeping() -> Iterator[CheckMessage]:
    """E006: where it runs. W010: it does not run."""
    if limits.HOUSEKEEPING not in _WHERE:
        yield Error(
            f'REALTIME["HOUSEKEEPING"] is {limits.HOUSEKEEPING!r}.',
            hint='Write "server" for the server processes, "command" for manage.py housekeeping and tasks, or "off".',
            id="realtime.E006",
        )
    if limits.HOUSEKEEPING == "off":
        yield CheckWarning(
            "The housekeeping is off: events, answers and read notifications stay for ever.",
            hint='Set REALTIME["HOUSEKEEPING"] to "server", or to "command" and run manage.py housekeeping by a timer.',
            id="realtime.W010",
        )


def check_retention() -> Iterator[CheckMessage]:
    """E006: ages that cannot be read, unknown kinds. W011: kinds without an age."""
    known = [*DEFAULTS.RETENTION, *limits.STREAM_ACCESS]
    for kind, age in limits.RETENTION.items():
        if kind not in known:
            similar = difflib.get_close_matches(str(kind), known, 1)
            yield Error(
                f'{kind!r} in REALTIME["RETENTION"] is no kind of stream.',
                hint=f"Did you mean {similar[0]}?"
                if similar
                else f'Kinds are {", ".join(DEFAULTS.RETENTION)}, and those in REALTIME["STREAM_ACCESS"].',
                id="realtime.E006",
            )
        try:
            if age is not None:
                parse_age(age)
        except ValueError as error:
            yield Error(
                f'REALTIME["RETENTION"][{kind!r}]: {error}',
                hint='Write for example "30d", timedelta(days=30), or None to keep its events for ever.',
                id="realtime.E006",
            )
    if unnamed := sorted(set(limits.STREAM_ACCESS) - {*DEFAULTS.RETENTION, *limits.RETENTION}):
        yield CheckWarning(
            f"The events of {', '.join(unnamed)} are kept for ever: their streams grow until they are ended.",
            hint=f'Set REALTIME["RETENTION"] to {{"{unnamed[0]}": "30d"}}, or to None if that is meant.',
            id="realtime.W011",
        )
