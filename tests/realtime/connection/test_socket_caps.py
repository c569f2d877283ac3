"""How many sockets a user, or a link, may have."""

from typing import Any

import pytest
from pytest_django import Settings

from realtime import streams
from realtime.auth.guests import Guest
from realtime.connection import socket_caps
from realtime.wire.frames import TOO_MANY_CONNECTIONS, TOO_MANY_GUESTS
from tests.realtime.conftest import Counted


class Person:
    pk = 7


@pytest.mark.parametrize(
    ("one", "another", "limit", "text", "counter"),
    [
        (Person(), Guest(streams.shared("7")), "MAX_USER_CONNECTIONS", TOO_MANY_CONNECTIONS, "refused_user"),
        (
            Guest(streams.shared("7")),
            Guest(streams.shared("8")),
            "MAX_GUEST_CONNECTIONS",
            TOO_MANY_GUESTS,
            "refused_guest",
        ),
    ],
    ids=["user", "guest"],
)
def test_a_socket_beyond_the_cap_is_refused_and_counted(
    one: Any, another: Any, limit: str, text: str, counter: str, settings: Settings, counted: Counted
) -> None:
    settings.REALTIME = {limit: 2}
    name = socket_caps.user_id_of(one)
    assert [socket_caps.acquire(one) for _ in range(3)] == [None, None, text]
    assert socket_caps.acquire(another) is None
    socket_caps.release(name)
    assert socket_caps.acquire(one) is None
    for each in (name, name, socket_caps.user_id_of(another)):
        socket_caps.release(each)
    assert counted[counter] == 1
    settings.REALTIME = {limit: 0}
    assert [socket_caps.acquire(one) for _ in range(5)] == [None] * 5
    for _ in range(5):
        socket_caps.release(name)
