"""What a message of the access group says, and which are none."""

from typing import Any

import pytest

from realtime.revocation.messages import AccessChanged, SessionMoved, parse

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        ({"users": ["1", "2"]}, AccessChanged(["1", "2"], None, [])),
        ({"users": ["1"], "stream": "1|orders#7"}, AccessChanged(["1"], "1|orders#7", [])),
        ({"streams": ["1|graph_exec#7"]}, AccessChanged([], None, ["1|graph_exec#7"])),
    ],
)
def test_a_notice_names_users_or_streams(message: dict[str, Any], meaning: AccessChanged) -> None:
    assert parse({"type": "access.changed", **message}) == meaning


def test_a_session_moves_from_one_key_to_another() -> None:
    message = {"type": "session.moved", "user": "1", "old": "digest", "new": "sealed"}
    assert parse(message) == SessionMoved("1", "digest", "sealed")
    for name in ("user", "old", "new"):
        assert parse({**message, name: None}) is None


@pytest.mark.parametrize(
    "message",
    [
        *({}, {"users": []}, {"users": "1"}, {"users": [1]}, {"users": ["1"], "stream": 7}),
        *({"streams": "s"}, {"streams": [7]}, {"users": ["1"], "streams": [None]}, {"users": {}, "streams": ["s"]}),
    ],
)
def test_anything_else_is_no_notice(message: dict[str, Any]) -> None:
    assert parse({"type": "access.changed", **message}) is None
