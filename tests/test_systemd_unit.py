"""The unit of systemd: valid, and closed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.test_layout import ROOT

pytestmark = pytest.mark.once

UNIT = ROOT / "docs" / "runwire@.service"
WORST = 20  # of 100, as `systemd-analyze security` counts; a unit without sandboxing has above 90
NEEDED = {
    *("NoNewPrivileges=true", "ProtectSystem=strict", "PrivateTmp=true", "CapabilityBoundingSet=", "LimitNOFILE=65536"),
    *("RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX", "SystemCallFilter=@system-service", "User=runwire"),
}


@pytest.fixture
def analyze(tmp_path: Path) -> list[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed: install systemd (apt)")
    text = UNIT.read_text().replace("/srv/runwire/.venv/bin/python", "/bin/sh")  # a program that exists
    (tmp_path / "runwire@8001.service").write_text(text)
    return [program, str(tmp_path / "runwire@8001.service")]


def test_the_unit_is_valid(analyze: list[str]) -> None:
    program, unit = analyze
    result = subprocess.run([program, "verify", "--man=no", unit], capture_output=True, text=True)
    assert (result.returncode, [line for line in result.stderr.splitlines() if "runwire@" in line]) == (0, [])


def test_little_of_the_machine_is_open_to_it(analyze: list[str]) -> None:
    program, unit = analyze
    words = [program, "security", "--offline=true", f"--threshold={WORST}", "--no-pager", unit]
    result = subprocess.run(words, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_it_has_limits_and_a_sandbox() -> None:
    lines = set(UNIT.read_text().splitlines())
    assert NEEDED - lines == set()
    for limit in ("MemoryMax", "TasksMax", "TimeoutStopSec"):
        assert re.search(rf"^{limit}=\d+", UNIT.read_text(), re.MULTILINE)
