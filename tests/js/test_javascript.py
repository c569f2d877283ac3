"""The JavaScript that needs no browser, under Node's own test runner."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from realtime.wire.close_codes import ANY_OTHER, CLOSINGS

HERE = Path(__file__).parent
OLDEST_NODE = 20


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed: install nodejs (apt, brew), 20 or newer.")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(re.findall(r"\d+", version)[0]) < OLDEST_NODE:
        pytest.skip(f"Node is too old ({version.strip()}): install nodejs 20 or newer.")
    return node


@pytest.mark.parametrize("file", sorted(HERE.glob("*.test.mjs")), ids=lambda file: file.name.split(".")[0])
def test_javascript(file: Path) -> None:
    codes = {int(code): closing.comes_back for code, closing in CLOSINGS.items()}
    environment = {**os.environ, "CLOSE_CODES": json.dumps({"codes": codes, "any_other": ANY_OTHER})}
    result = subprocess.run(
        [_node(), "--test", "--test-reporter=tap", file], capture_output=True, text=True, env=environment
    )
    assert result.returncode == 0, result.stdout + result.stderr
