"""Events and the two forms of their frames."""

from typing import Any

import pytest

from realtime.wire import event as module
from realtime.wire.event import Event
from realtime.wire.frames import event_frame
from realtime.wire.methods import NUMBERED_ONLY, WSMethod

pytestmark = pytest.mark.once

CHANNEL = "U|orders#7"


def test_the_two_forms_of_a_frame_differ_by_the_number_at_the_end() -> None:
    event = Event(7, "order_shipped", "{}", CHANNEL)
    assert event.frame == event_frame("order_shipped", "{}", CHANNEL)
    assert event.numbered_frame == event.frame[:-1] + ',"seq":7}'


def test_only_the_numbered_frame_of_a_notification_has_its_id() -> None:
    payload = '{"type":"info","event":"hey","id":"of the sender"}'
    event = Event(7, "notification", payload, None, id="m1")
    assert event.frame == event_frame("notification", payload, None)
    assert event.numbered_frame == event.frame[:-1] + ',"seq":7,"id":"m1"}'


def test_a_notification_about_nothing_has_no_id() -> None:
    event = Event(7, "notification", '{"type":"info","event":"hey"}', None, id="")
    assert event.numbered_frame == event.frame[:-1] + ',"seq":7}'


def test_each_form_is_built_once_and_only_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []

    def build(*args: Any) -> str:
        built.append(args)
        return event_frame(*args)

    monkeypatch.setattr(module, "event_frame", build)
    event = Event(7, "order_shipped", "{}", CHANNEL)
    assert not built
    assert event.numbered_frame is event.numbered_frame
    assert len(built) == 1
    assert event.frame is event.frame
    assert len(built) == 2


def test_an_event_without_its_data_cannot_be_sent() -> None:
    with pytest.raises(ValueError, match="read it from the log"):
        Event(7, "order_shipped", None, CHANNEL)


@pytest.mark.parametrize("method", [*WSMethod, "order_shipped"])
def test_only_the_events_of_part_2_need_a_client_with_numbers(method: str) -> None:
    assert Event(1, method, "{}", None).is_numbered_only == (method in NUMBERED_ONLY)


@pytest.mark.parametrize(
    ("method", "numbered", "form"),
    [
        ("notification", True, "numbered_frame"),
        ("notification", False, "frame"),
        ("notification_read", True, "numbered_frame"),
        ("notification_read", False, None),
    ],
)
def test_a_client_gets_the_form_that_it_knows_or_no_frame(method: str, numbered: bool, form: str | None) -> None:
    event = Event(1, method, "{}", None)
    assert event.frame_for(numbered) == (form and getattr(event, form))
