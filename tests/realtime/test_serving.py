import logging

import pytest

from realtime import serving

FRAMES = {1012: "the server restarts"}


def test_the_frames_are_left_where_the_server_looks() -> None:
    left: dict[int, str] = {}
    scope = {"extensions": {serving.EXTENSION: {serving.LAST_FRAMES: left}}}
    assert serving.hand_over(scope, FRAMES)
    assert left == FRAMES


def test_the_server_has_an_outlet_and_another_one_has_not() -> None:
    outlet = object()
    assert serving.outlet_of({"extensions": {serving.EXTENSION: {serving.OUTLET: outlet}}}) is outlet
    assert serving.outlet_of({"extensions": {"websocket.http.response": {}}}) is None
    assert serving.outlet_of({"extensions": None}) is None


@pytest.mark.parametrize("scope", [{}, {"extensions": None}, {"extensions": {"websocket.http.response": {}}}])
def test_another_server_is_named_in_the_log_once_with_the_cure(
    scope: dict[str, object], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(serving, "_is_said", False)
    with caplog.at_level(logging.WARNING, "realtime.server"):
        assert not serving.hand_over(scope, FRAMES)
        assert not serving.hand_over(scope, FRAMES)
    (line,) = caplog.messages
    assert "python -m realtime.server" in line
