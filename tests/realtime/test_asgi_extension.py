"""The ASGI extension, with and without the server."""

import logging

import pytest

from realtime import asgi_extension

FRAMES = {1012: "the server restarts"}


def test_last_frames_are_registered_in_the_extension() -> None:
    registered: dict[int, str] = {}
    scope = {"extensions": {asgi_extension.EXTENSION: {asgi_extension.LAST_FRAMES: registered}}}
    assert asgi_extension.register_last_frames(scope, FRAMES)
    assert registered == FRAMES


def test_only_our_server_has_a_direct_sender() -> None:
    direct_sender, send = object(), object()
    extension = {asgi_extension.DIRECT_SENDER: direct_sender, asgi_extension.SEND: send}
    scope = {"extensions": {asgi_extension.EXTENSION: extension}}
    assert asgi_extension.get_direct_sender(scope, send) is direct_sender
    assert asgi_extension.get_direct_sender({"extensions": {"websocket.http.response": {}}}, send) is None
    assert asgi_extension.get_direct_sender({"extensions": None}, send) is None


def test_a_middleware_that_wraps_send_sees_each_frame() -> None:
    extension = {asgi_extension.DIRECT_SENDER: object(), asgi_extension.SEND: object()}
    scope = {"extensions": {asgi_extension.EXTENSION: extension}}
    assert asgi_extension.get_direct_sender(scope, object()) is None


@pytest.mark.parametrize("scope", [{}, {"extensions": None}, {"extensions": {"websocket.http.response": {}}}])
def test_another_server_is_logged_once_with_the_cure(
    scope: dict[str, object], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(asgi_extension, "_has_warned", False)
    with caplog.at_level(logging.WARNING, "realtime.server"):
        assert not asgi_extension.register_last_frames(scope, FRAMES)
        assert not asgi_extension.register_last_frames(scope, FRAMES)
    (line,) = caplog.messages
    assert "python -m realtime.server" in line


def test_the_background_is_started_and_stopped_as_often_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    class Work:
        def start(self) -> None:
            calls.append("start")

        def stop(self) -> None:
            calls.append("stop")

    monkeypatch.setattr(asgi_extension, "background", [Work()])
    asgi_extension.start_background()
    asgi_extension.start_background()
    asgi_extension.stop_background()
    assert calls == ["start", "start", "stop"]
