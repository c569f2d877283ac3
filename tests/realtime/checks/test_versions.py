"""The check of the versions of packages."""

import re
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from pytest_django import Settings

from realtime.checks import versions
from realtime.checks.versions import TESTED
from tests.realtime.checks.conftest import found

ROOT = Path(__file__).resolve().parents[3]


def test_an_untested_version_is_reported_with_the_tested_ones(
    production: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "version", lambda package: "99.1" if package == "twisted" else TESTED[package][0])
    (message,) = found()
    assert message.id == "realtime.W009"
    assert "twisted 99.1 is installed" in message.msg
    assert TESTED["twisted"][-1] in message.msg
    assert message.hint
    assert f"twisted=={TESTED['twisted'][-1]}" in message.hint


def test_a_package_that_is_not_installed_is_not_checked(production: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr(versions, "version", version)
    assert found() == []


def test_the_newest_tested_version_is_pinned() -> None:
    pins = dict(re.findall(r"^([a-z0-9-]+)(?:\[[^\]]*\])?==(\S+)", (ROOT / "requirements.txt").read_text(), re.M))
    assert {package: pins.get(package) for package in TESTED} == {
        package: tried[-1] for package, tried in TESTED.items()
    }


def test_the_manual_lists_the_tested_versions() -> None:
    section = (ROOT / "docs" / "operations.md").read_text().split("### Versions\n")[1].split("\n#")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| ([^|]+) \|", section, re.M)
    assert {package: tuple(tried.strip().split(", ")) for package, tried in rows} == TESTED
