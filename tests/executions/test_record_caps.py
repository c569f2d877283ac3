"""The question whether a user's runs may record more goes to a receiver, once for each user."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from executions.record_caps import TooMuchRecorded, check_recorded
from executions.signals import data_offered

Refuse = Callable[[Any], None]


@pytest.fixture
def asked() -> Iterator[list[Any]]:
    """The users that the receivers were asked about. User 13 is refused."""
    found: list[Any] = []

    def receive(user_id: Any, **kwargs: Any) -> None:
        found.append(user_id)
        if user_id == 13:
            raise TooMuchRecorded("More than nothing.", 7)

    data_offered.connect(receive)
    yield found
    data_offered.disconnect(receive)


def test_each_user_is_asked_about_once(asked: list[Any]) -> None:
    check_recorded([3, 1, 3])
    assert asked == [1, 3]


def test_nobody_is_asked_about_nothing(asked: list[Any]) -> None:
    check_recorded([])
    assert asked == []


def test_a_refusal_has_the_time_to_wait(asked: list[Any]) -> None:
    with pytest.raises(TooMuchRecorded, match="More than nothing") as refused:
        check_recorded([1, 13])
    assert refused.value.retry_after == 7
