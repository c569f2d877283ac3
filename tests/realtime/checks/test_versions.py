"""The check of the versions of packages."""

import pytest
from pytest_django import Settings

from realtime import tested_versions
from realtime.tested_versions import TESTED
from tests.realtime.checks.conftest import found


def test_an_untested_version_is_reported_with_the_tested_ones(
    production: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        tested_versions, "version", lambda package: "99.1" if package == "twisted" else TESTED[package][0]
    )
    (message,) = found()
    assert message.id == "realtime.W009"
    assert "twisted 99.1 is installed" in message.msg
    assert TESTED["twisted"][-1] in message.msg
    assert message.hint
    assert f"twisted=={TESTED['twisted'][-1]}" in message.hint
