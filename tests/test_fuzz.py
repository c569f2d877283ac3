"""`make fuzz`: it knows each target, and a fault that an input shows is found, told and repeated."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.__main__ import fuzz, main, report, targets
from tests.fuzz.engine import ENDED, FOUND
from tests.servers.process import ROOT

pytestmark = pytest.mark.once

PLANTED = """
from hypothesis import given, strategies as st

@given(st.binary())
def test_a_parser(data):
    assert len(data) < LIMIT
"""


def test_each_target_is_a_test_of_hypothesis() -> None:
    found = targets()
    assert {"requests", "websocket", "http", "tokens", "api", "forms", "paging"} <= {file for file, _ in found}
    for file, name in found:
        assert hasattr(getattr(importlib.import_module(f"tests.fuzz.test_{file}"), name), "hypothesis")


@pytest.mark.parametrize("engine", ["--random", "--coverage"])
@pytest.mark.parametrize(("limit", "code"), [(3, FOUND), (10**6, ENDED)])
def test_a_planted_fault_is_found_and_told(tmp_path: Path, engine: str, limit: int, code: int) -> None:
    if engine == "--coverage":
        pytest.importorskip("atheris", reason="atheris has no wheel for this machine")
    folder = tmp_path / "tests" / "fuzz"
    folder.mkdir(parents=True)
    (folder / "test_planted.py").write_text(PLANTED.replace("LIMIT", str(limit)))
    # The engine looks for targets in `tests.fuzz`, and for its folder beside them.
    start = (
        "import sys; import tests.fuzz, tests.fuzz.engine as engine; from pathlib import Path;"
        f"tests.fuzz.__path__.append({str(folder)!r}); engine.FOLDER = Path({str(tmp_path / 'out')!r}); engine.main()"
    )
    options = ["planted", "test_a_parser", "--seconds", "1", *([engine] if engine == "--random" else [])]
    ended = subprocess.run(
        [sys.executable, "-c", start, *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert "examples" in ended.stdout
    finding = tmp_path / "out" / "findings" / "planted.a_parser.txt"
    assert finding.exists() == (code == FOUND)
    if code == FOUND:
        # atheris meets a longer example first; Hypothesis makes it the smallest one.
        assert r"data=b'\x00\x00\x00'" in finding.read_text()
        assert r"data=b'\x00\x00\x00'" in ended.stdout


@pytest.mark.parametrize(
    ("code", "verdict", "is_good"),
    [
        (ENDED, "nothing found", True),
        (FOUND, "failed: `pytest tests/fuzz/test_http.py -k test_a_thing` repeats it", False),
        (77, "ended with code 77: .fuzz/http.a_thing.log; its input is in .fuzz/findings", False),
    ],
)
def test_the_report_says_how_to_repeat_a_finding(
    monkeypatch: pytest.MonkeyPatch, code: int, verdict: str, is_good: bool
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda words, **options: subprocess.CompletedProcess(words, code))
    result = fuzz("http", "test_a_thing", 1.0, [])
    assert result.is_good is is_good
    assert f"| http | a thing | {verdict} |" in report([result], 10, "Hypothesis")


def test_a_word_that_no_target_has_is_an_error() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--only", "nothing has this"])
    assert ended.value.code == 2
