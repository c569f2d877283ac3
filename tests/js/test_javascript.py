"""The JavaScript that needs no browser, under Node's own test runner."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

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
    result = subprocess.run([_node(), "--test", "--test-reporter=tap", file], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
