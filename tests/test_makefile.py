"""`make` on a fresh clone: what it says before there is anything."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.servers.process import ROOT, free_port

pytestmark = [pytest.mark.once, pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")]
WORDS = (
    *("help", "run", "test", "test-quick", "test-fast", "matrix", "soak", "fuzz", "lint", "bench", "bench-quick"),
    *("format", "lock", "sbom", "clean"),
)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in ("Makefile", "requirements.lock", "requirements-dev.lock"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


@pytest.fixture
def busy_port() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def make(clone: Path, *words: str, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    program = shutil.which("make")
    assert program
    # As root would start it from a shell: without what `make test` itself passes on to us.
    return subprocess.run([program, *words], cwd=clone, env={"PATH": path}, capture_output=True, text=True)


def test_make_alone_lists_the_words(clone: Path) -> None:
    listed = make(clone).stdout.splitlines()
    assert [line.split()[1] for line in listed] == list(WORDS)
    assert make(clone, "help").stdout.splitlines() == listed


def test_a_busy_port_is_told_before_anything_is_installed(clone: Path, busy_port: int) -> None:
    result = make(clone, "run", f"PORT={busy_port}")
    assert result.returncode != 0
    assert f"Port {busy_port} on 127.0.0.1 is in use. Stop what listens there, or choose another" in result.stderr
    assert not (clone / ".venv").exists()


@pytest.mark.parametrize("port", ["0", "65536", "http", ""])
def test_what_is_no_port_is_told(clone: Path, port: str) -> None:
    assert f"PORT={port} is not a port" in make(clone, "run", f"PORT={port}").stderr


def test_a_host_of_another_machine_is_told(clone: Path) -> None:
    assert "Cannot listen on nowhere.invalid" in make(clone, "run", "HOST=nowhere.invalid", "PORT=8000").stderr


def test_a_free_port_is_fine(clone: Path) -> None:
    assert make(clone, "port", f"PORT={free_port()}").returncode == 0


def test_without_a_python_that_is_new_enough_it_says_what_to_install(clone: Path) -> None:
    old = clone / "bin" / "python3"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    result = make(clone, "run", path=str(old.parent))
    assert result.returncode != 0
    assert "No Python 3.11 or newer with venv was found. Install one" in result.stderr
