"""Numbered events to announce, and the counts of the announcer."""

from realtime import streams
from realtime.log.types import LogEvent, NumberedEvents
from realtime.metrics import counts
from realtime.publishing import announcer

KEY = "u1|orders#7"
GROUP = streams.group(KEY)
TIMEOUT = 20.0  # seconds; only a test that fails waits so long


def numbered(*events: tuple[str, str | None], first: int = 1, key: str = KEY) -> NumberedEvents:
    return NumberedEvents(key, "epoch", [LogEvent(first + n, method, data) for n, (method, data) in enumerate(events)])


def order(number: int) -> NumberedEvents:
    return numbered(("order_changed", "{}"), first=number)


def increase(name: str, before: dict[str, int]) -> int:
    """By how much a count has grown."""
    return counts().get(name, 0) - before.get(name, 0)


def wait_until_sent() -> None:
    """Waits until the announcer thread has sent or dropped everything."""
    thread = announcer._announcer
    assert thread
    with thread._idle:
        assert thread._idle.wait_for(lambda: not thread._pending, TIMEOUT)
