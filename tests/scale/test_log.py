"""The measurement of the log runs and prints every row. The size is too small for real figures."""

import re
import subprocess
import sys

import pytest

from tests.scale.log import COMMANDS
from tests.servers.process import ROOT


@pytest.mark.postgres
def test_every_query_and_every_command_is_measured() -> None:
    size = ("--events", "1000", "--streams", "10", "--repeat", "1", "--plans")
    run = subprocess.run(
        [sys.executable, "-m", "tests.scale.log", *size], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert len(re.findall(r"^\| .+ \| [\d.,]+ \| [\d.,]+ \|$", run.stdout, re.MULTILINE)) == 8 + len(COMMANDS)
    for command in COMMANDS:
        assert f"| `{command}` |" in run.stdout
    assert "900 events removed" in run.stdout
    assert "Index Scan" in run.stdout
