"""Fuzzes one target in this process: with atheris, guided by the branches that an input reaches, or with Hypothesis.

    python -m tests.fuzz.engine requests test_a_frame_… --seconds 30

Both run the same function. atheris changes bytes, and Hypothesis makes the example from them (`fuzz_one_input`).
Hypothesis keeps each example that fails, so pytest fails with it, too, until the cause is mended.
"""

import argparse
import importlib
import os
import sys
import time
import traceback
from contextlib import nullcontext
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from tests.backends import ENVIRONMENT

HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / ".fuzz"  # corpora, logs, findings and the report
FOUND, ENDED = 1, 0  # exit codes; libFuzzer has its own, from 70 on
LONGEST = 8_192  # bytes of an input, from which Hypothesis makes an example
SEEDS = 12  # random inputs of several lengths, where there is no corpus yet
LONGEST_SECONDS, LONGEST_MEGABYTES = 120, 2_048  # of one input, before libFuzzer ends the process
PULSE = 5.0  # seconds between two progress lines
# Whose branches guide atheris. autobahn would take more seconds to instrument than a target has.
INSTRUMENTED = ["executions", "realtime", "jwt", "markdown_it"]


def import_atheris() -> ModuleType | None:
    """The module; None where it is not installed, since it has no wheel there."""
    try:
        return importlib.import_module("atheris")
    except ImportError:
        return None


class Run:
    """The fuzzing of one target, until its time is over."""

    def __init__(self, file: str, name: str, seconds: float, atheris: ModuleType | None) -> None:
        self.label = f"{file}.{name.removeprefix('test_')}"
        self._atheris, self._examples = atheris, 0
        with atheris.instrument_imports(include=INSTRUMENTED) if atheris else nullcontext():
            self._test = getattr(_load(file), name)
        self._started = time.monotonic()  # without the imports
        self._end, self._next_pulse = self._started + seconds, self._started + PULSE

    def fuzz(self) -> NoReturn:
        if self._atheris:
            self._fuzz_by_coverage(self._atheris)
        self._fuzz_at_random()

    def _fuzz_by_coverage(self, atheris: ModuleType) -> None:
        corpus, findings = FOLDER / "corpus" / self.label, FOLDER / "findings"
        for folder in (corpus, findings):
            folder.mkdir(parents=True, exist_ok=True)
        for number in range(SEEDS - len(list(corpus.iterdir()))):
            (corpus / f"seed-{number}").write_bytes(os.urandom(LONGEST >> number % 6))
        fuzz_one_input = self._test.hypothesis.fuzz_one_input

        def one_input(data: bytes) -> None:
            self._count()
            try:
                fuzz_one_input(data)
            except Exception:
                self._on_finding()

        options = {
            "max_len": LONGEST,
            "len_control": 0,
            "timeout": LONGEST_SECONDS,
            "rss_limit_mb": LONGEST_MEGABYTES,
            "artifact_prefix": f"{findings}/{self.label}-",
        }
        atheris.Setup([sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), str(corpus)], one_input)
        atheris.Fuzz()

    def _fuzz_at_random(self) -> NoReturn:
        inner = self._test.hypothesis.inner_test

        @wraps(inner)
        def counted(*args: Any, **options: Any) -> None:
            self._count()
            inner(*args, **options)

        self._test.hypothesis.inner_test = counted
        while True:
            try:
                self._test()
            except Exception:
                self._on_finding()

    def _count(self) -> None:
        now = time.monotonic()
        if now >= self._end:
            self._say("\n")
            os._exit(ENDED)  # libFuzzer has no other end
        if now >= self._next_pulse:
            self._next_pulse = now + PULSE
            self._say("\r" if sys.stdout.isatty() else "\n")
        self._examples += 1

    def _say(self, end: str) -> None:
        corpus = FOLDER / "corpus" / self.label
        kept = f", corpus of {len(list(corpus.iterdir())):,}" if self._atheris else ""
        took = time.monotonic() - self._started
        print(f"    {took:4.0f} s, {self._examples:,} examples{kept}", end=end, flush=True)

    def _on_finding(self) -> NoReturn:
        """Says the smallest example that fails, and ends."""
        self._say("\n")
        text = traceback.format_exc()
        self._end = float("inf")
        try:
            self._test()  # Hypothesis finds the example in its database, and makes it smaller
        except Exception:
            text = traceback.format_exc()
        (FOLDER / "findings").mkdir(parents=True, exist_ok=True)
        (FOLDER / "findings" / f"{self.label}.txt").write_text(text)
        print(text[-4_000:], flush=True)
        os._exit(FOUND)


def _load(file: str) -> ModuleType:
    """The targets of a file, with Django set up, and with a database in memory if they need one."""
    import django

    django.setup()
    module = importlib.import_module(f"tests.fuzz.test_{file}")
    if "tests.fuzz.world" in sys.modules:
        from django.db import connection
        from django.test.utils import setup_test_environment

        setup_test_environment(debug=False)
        connection.creation.create_test_db(verbosity=0)
    return module


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.engine", description=__doc__.splitlines()[0])
    parser.add_argument("file", help="the file of the target, without test_ and .py")
    parser.add_argument("name", help="the name of its test")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--random", action="store_true", help="do not use atheris")
    chosen = parser.parse_args(arguments)
    os.environ.update(ENVIRONMENT, DATABASE_URL="sqlite://:memory:")
    FOLDER.mkdir(exist_ok=True)
    # libFuzzer and Django's log write there.
    log = os.open(
        FOLDER / f"{chosen.file}.{chosen.name.removeprefix('test_')}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    )
    os.dup2(log, 2)
    Run(chosen.file, chosen.name, chosen.seconds, None if chosen.random else import_atheris()).fuzz()


if __name__ == "__main__":
    main()
