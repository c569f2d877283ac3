import logging

import pytest

from realtime import asgi_extension

FRAMES = {1012: "the server restarts"}


def test_the_frames_are_left_where_the_server_looks() -> None:
    left: dict[int, str] = {}
    scope = {"extensions": {asgi_extension.EXTENSION: {asgi_extension.LAST_FRAMES: left}}}
    assert asgi_extension.register_last_frames(scope, FRAMES)
    assert left == FRAMES


def test_the_server_has_an_outlet_and_another_one_has_not() -> None:
    direct_sender = object()
    assert (
        asgi_extension.direct_sender_of(
            {"extensions": {asgi_extension.EXTENSION: {asgi_extension.DIRECT_SENDER: direct_sender}}}
        )
        is direct_sender
    )
    assert asgi_extension.direct_sender_of({"extensions": {"websocket.http.response": {}}}) is None
    assert asgi_extension.direct_sender_of({"extensions": None}) is None


@pytest.mark.parametrize("scope", [{}, {"extensions": None}, {"extensions": {"websocket.http.response": {}}}])
def test_another_server_is_named_in_the_log_once_with_the_cure(
    scope: dict[str, object], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(asgi_extension, "_has_warned", False)
    with caplog.at_level(logging.WARNING, "realtime.server"):
        assert not asgi_extension.register_last_frames(scope, FRAMES)
        assert not asgi_extension.register_last_frames(scope, FRAMES)
    (line,) = caplog.messages
    assert "python -m realtime.server" in line
