"""The versions of packages whose private parts are used."""

import re
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from realtime import tested_versions
from realtime.tested_versions import TESTED, find_untested

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]


def test_an_untested_version_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        tested_versions, "version", lambda package: "99.1" if package == "redis" else TESTED[package][0]
    )
    ((package, text),) = find_untested()
    assert package == "redis"
    assert "redis 99.1 is installed" in text
    assert TESTED["redis"][-1] in text


def test_a_package_that_is_not_installed_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr(tested_versions, "version", version)
    assert list(find_untested()) == []


def test_the_newest_tested_version_is_pinned() -> None:
    pins = dict(re.findall(r"^([a-z0-9-]+)(?:\[[^\]]*\])?==(\S+)", (ROOT / "requirements.txt").read_text(), re.M))
    assert {package: pins.get(package) for package in TESTED} == {
        package: tested[-1] for package, tested in TESTED.items()
    }


def test_the_manual_lists_the_tested_versions() -> None:
    section = (ROOT / "docs" / "operations.md").read_text().split("### Versions\n")[1].split("\n#")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| ([^|]+) \|", section, re.M)
    assert {package: tuple(tested.strip().split(", ")) for package, tested in rows} == TESTED
