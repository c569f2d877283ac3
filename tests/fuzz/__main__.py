"""`make fuzz`: fuzzes each target for its part of the time, one after the other, and writes .fuzz/report.md.

    python -m tests.fuzz --minutes 10 --only http

The exit code is 1 if anything was found.
"""

import argparse
import ast
import subprocess
import sys
from typing import NamedTuple

from tests.fuzz.engine import ENDED, FOLDER, FOUND, HERE, import_atheris


class Result(NamedTuple):
    file: str
    name: str
    verdict: str
    is_good: bool


def targets() -> list[tuple[str, str]]:
    """The file and the name of each target, without an import: a test that Hypothesis gives its examples."""
    return [
        (path.stem.removeprefix("test_"), each.name)
        for path in sorted(HERE.glob("test_*.py"))
        for each in ast.parse(path.read_text()).body
        if isinstance(each, ast.FunctionDef) and any("given(" in ast.unparse(one) for one in each.decorator_list)
    ]


def fuzz(file: str, name: str, seconds: float, more: list[str]) -> Result:
    """Fuzzes one target in a process of its own."""
    words = [sys.executable, "-m", "tests.fuzz.engine", file, name, "--seconds", str(seconds), *more]
    code = subprocess.run(words, cwd=HERE.parents[1], check=False).returncode
    if code == ENDED:
        return Result(file, name, "nothing found", True)
    label = f"{file}.{name.removeprefix('test_')}"
    if code == FOUND:
        return Result(file, name, f"failed: `pytest tests/fuzz/test_{file}.py -k {name}` repeats it", False)
    return Result(file, name, f"ended with code {code}: .fuzz/{label}.log; its input is in .fuzz/findings", False)


def report(results: list[Result], minutes: float, engine: str) -> str:
    rows = [
        f"| {each.file} | {each.name.removeprefix('test_').replace('_', ' ')} | {each.verdict} |" for each in results
    ]
    head = [f"# {minutes:g} minutes of fuzzing, by {engine}", "", "| file | target | result |", "|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="of all targets together (10)")
    parser.add_argument("--only", default="", help="only targets whose file or name has this text")
    parser.add_argument("--random", action="store_true", help="Hypothesis alone, without atheris")
    chosen = parser.parse_args(arguments)
    wanted = [each for each in targets() if chosen.only in " ".join(each)]
    if not wanted:
        parser.error(f"no target has {chosen.only!r} in its file or name")
    is_random = chosen.random or import_atheris() is None
    if is_random and not chosen.random:
        print("atheris is not installed: Hypothesis looks at random, not guided by coverage.")
    seconds = chosen.minutes * 60 / len(wanted)
    results: list[Result] = []
    try:
        for number, (file, name) in enumerate(wanted, 1):
            print(f"[{number}/{len(wanted)}] {file}: {name.removeprefix('test_').replace('_', ' ')}", flush=True)
            results.append(fuzz(file, name, seconds, ["--random"] if is_random else []))
    except KeyboardInterrupt:
        print("\nStopped.")
    FOLDER.mkdir(exist_ok=True)
    text = report(results, chosen.minutes, "Hypothesis" if is_random else "atheris and Hypothesis")
    (FOLDER / "report.md").write_text(text)
    print(f"\n{text}")
    return 0 if all(each.is_good for each in results) else 1


if __name__ == "__main__":
    sys.exit(main())
