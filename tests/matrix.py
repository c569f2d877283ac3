"""Runs the tests on each Python and Django that the project supports and this machine has: `python -m tests.matrix`.

    make matrix                                       all combinations, all tests, on SQLite
    make matrix ARGS="--only 3.13-django6.1"          one combination
    make matrix ARGS="--quick"                        the quick tests, and those that hold a socket
    make matrix ARGS="--only 3.12-* -- -x -k wire"    what follows -- is for pytest

It looks for each Python on PATH and in pyenv's folder. A missing one is reported and is no failure. Each combination
has its own virtualenv in .matrix/, which is made again only when its packages change. All tests run on SQLite: the
versions differ in Python and Django, and a run on PostgreSQL takes as long again (`-- --postgres` runs it).

The exit code is 0 if every combination that was found passed, 1 if one failed, 3 if no interpreter was found. The
script needs only the standard library, so any Python can start it.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".matrix"
NOTHING_FOUND = 3

# With the Django of requirements.txt, and with the one of requirements-django6.txt, which no longer runs on 3.11.
ON_LTS = ("3.11", "3.12", "3.13")
ON_NEWEST = ("3.12", "3.13")
# Django 6 does this itself, so the package is not installed there.
DJANGO_6_HAS = ("django-csp",)

# What --quick runs: the quick tests, and those that hold a socket (tests/quick.py says which these are).
QUICK = ("-m", "quick or socket")
AT_ONCE = ("-n", "auto", "--dist", "worksteal")  # several processes, as for `make test`

IS_USABLE = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"


@dataclass(frozen=True)
class Combination:
    python: str  # such as 3.13
    django: str  # such as 6.1

    @property
    def name(self) -> str:
        return f"{self.python}-django{self.django}"

    @property
    def folder(self) -> Path:
        return FOLDER / self.name


class Result(StrEnum):
    PASSED = "passed"
    FAILED = "FAILED"
    NOT_INSTALLED = "NOT INSTALLED"
    NOT_FOUND = "not found"


@dataclass(frozen=True)
class Outcome:
    combination: Combination
    result: Result
    figures: str = ""
    seconds: float = 0.0


# Which combinations there are


def pins(name: str) -> list[str]:
    """The lines of a requirements file that name a package, with those of the files that it refers to."""
    lines: list[str] = []
    for line in (ROOT / name).read_text().splitlines():
        if line.startswith("-r "):
            lines += pins(line.removeprefix("-r ").strip())
        elif (line := line.partition("#")[0].strip()) and not line.startswith("-"):
            lines.append(line)
    return lines


def package_of(pin: str) -> str:
    return re.split(r"[\[=<>~!;\s]", pin, maxsplit=1)[0].lower()


def django_of(name: str) -> str:
    """The minor version of Django that a requirements file pins, such as 5.2."""
    (pin,) = [pin for pin in pins(name) if package_of(pin) == "django"]
    return ".".join(pin.partition("==")[2].split(".")[:2])


def combinations() -> list[Combination]:
    lts, newest = django_of("requirements.txt"), django_of("requirements-django6.txt")
    return [Combination(python, lts) for python in ON_LTS] + [Combination(python, newest) for python in ON_NEWEST]


def requirements(combination: Combination) -> list[str]:
    """The packages of a combination: those of requirements-dev.txt, with the replacements of
    requirements-django6.txt."""
    usual = pins("requirements-dev.txt")
    if combination.django == django_of("requirements.txt"):
        return usual
    instead = pins("requirements-django6.txt")
    gone = {*map(package_of, instead), *DJANGO_6_HAS}
    return [*(pin for pin in usual if package_of(pin) not in gone), *instead]


def chosen(every: Iterable[Combination], patterns: Sequence[str]) -> list[Combination]:
    """The combinations whose name matches one of the patterns, or all without a pattern. Raises ValueError for a
    pattern that matches none."""
    every = list(every)
    for pattern in patterns:
        if not any(fnmatchcase(each.name, pattern) for each in every):
            raise ValueError(f"{pattern} is none of {', '.join(each.name for each in every)}")
    return [each for each in every if not patterns or any(fnmatchcase(each.name, pattern) for pattern in patterns)]


# Which Pythons there are


def places(python: str) -> Iterator[Path]:
    """The paths where a Python of this minor version may be, the likeliest first. They may not exist, or not work."""
    if on_path := shutil.which(f"python{python}"):
        yield Path(on_path)
    for folder in pyenv_folders():
        found = [path for path in (folder / "versions").glob(f"{python}.*") if path.name.split(".")[-1].isdecimal()]
        for version in sorted(found, key=lambda path: int(path.name.split(".")[-1]), reverse=True):
            yield version / "bin" / f"python{python}"


def pyenv_folders() -> list[Path]:
    folders = [Path(named)] if (named := os.environ.get("PYENV_ROOT")) else []
    if program := shutil.which("pyenv"):
        asked = subprocess.run([program, "root"], capture_output=True, text=True)
        if asked.returncode == 0 and (answer := asked.stdout.strip()):
            folders.append(Path(answer))
    return list(dict.fromkeys([*folders, Path.home() / ".pyenv"]))


def is_usable(program: Path, python: str) -> bool:
    """Whether it runs, has this version, and can make virtualenvs. A shim of pyenv may have no Python behind it."""
    try:
        asked = subprocess.run([program, "-c", IS_USABLE], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0 and asked.stdout.strip() == python


def find(python: str) -> Path | None:
    return next((place for place in places(python) if is_usable(place, python)), None)


# One combination


def install(combination: Combination, interpreter: Path) -> bool:
    """Makes the virtualenv, unless it exists with exactly these packages. The output of pip is shown."""
    folder, wanted = combination.folder, "".join(f"{pin}\n" for pin in requirements(combination))
    stamp = folder / "installed.txt"
    if is_usable(folder / "bin" / "python", combination.python) and stamp.exists() and stamp.read_text() == wanted:
        return True
    say(f"{combination.name}: installing (it may take some minutes)")
    shutil.rmtree(folder, ignore_errors=True)
    listed = folder / "requirements.txt"
    pip = [folder / "bin" / "python", "-m", "pip", "-qq", "--disable-pip-version-check", "--no-input"]
    if subprocess.run([interpreter, "-m", "venv", folder]).returncode:
        return False
    listed.write_text(wanted)
    if subprocess.run([*pip, "install", "--requirement", listed]).returncode:
        return False
    listed.rename(stamp)
    return True


def run(combination: Combination, interpreter: Path, arguments: Sequence[str]) -> Outcome:
    began = time.monotonic()
    if not install(combination, interpreter):
        return Outcome(combination, Result.NOT_INSTALLED, seconds=time.monotonic() - began)
    report = combination.folder / "report.xml"
    report.unlink(missing_ok=True)
    say(f"{combination.name}: tests")
    words = [combination.folder / "bin" / "python", "-m", "pytest", f"--junitxml={report}", *arguments]
    code = subprocess.run(words, cwd=ROOT).returncode
    figures = figures_of(report.read_text()) if report.exists() else f"pytest ended with {code}"
    return Outcome(combination, Result.FAILED if code else Result.PASSED, figures, time.monotonic() - began)


def figures_of(report: str) -> str:
    """From pytest's report in XML: `3207 passed, 12 skipped, 1 failed`."""
    suites = list(ElementTree.fromstring(report).iter("testsuite"))  # pytest has just written it
    every, bad, skipped = (
        sum(int(suite.get(name, 0)) for suite in suites for name in names)
        for names in (("tests",), ("failures", "errors"), ("skipped",))
    )
    parts = [(every - bad - skipped, "passed"), (skipped, "skipped"), (bad, "failed")]
    return ", ".join(f"{count} {word}" for count, word in parts if count) or "no tests"


# All of them


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """A line each, in columns."""
    rows = [
        (each.combination.name, each.result.value, f"{each.seconds:.0f} s" if each.seconds else "-", each.figures)
        for each in outcomes
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return [
        f"{name:<{widths[0]}}  {result:<{widths[1]}}  {seconds:>{widths[2]}}  {figures}".rstrip()
        for name, result, seconds, figures in rows
    ]


def exit_code(outcomes: Sequence[Outcome]) -> int:
    results = {each.result for each in outcomes}
    if results & {Result.FAILED, Result.NOT_INSTALLED}:
        return 1
    return 0 if Result.PASSED in results else NOTHING_FOUND


def say(line: str) -> None:
    print(f"\n== {line}", flush=True)


def read_arguments(words: Sequence[str]) -> argparse.Namespace:
    about, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m tests.matrix",
        description=about,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="a combination or a pattern; repeatable"
    )
    parser.add_argument("--newest", action="store_true", help="of these, the last one that is found")
    parser.add_argument("--quick", action="store_true", help="the quick tests, and those that hold a socket")
    parser.add_argument("--list", action="store_true", help="say which combinations there are, and stop")
    parser.add_argument("pytest", nargs="*", metavar="ARGUMENT", help="for pytest; after --")
    options = parser.parse_args(words)
    try:
        options.combinations = chosen(combinations(), options.only)
    except ValueError as error:
        parser.error(str(error))
    return options


def main(words: Sequence[str]) -> int:
    options = read_arguments(words)
    found = {each: find(each.python) for each in options.combinations}
    for each, interpreter in found.items():
        print(f"{each.name}: {interpreter or f'NOT FOUND: there is no python{each.python} here'}", flush=True)
    if options.list:
        return 0
    arguments = [*AT_ONCE, *(QUICK if options.quick else ()), *options.pytest]
    todo = [each for each, interpreter in found.items() if interpreter]
    skipped = set(todo[:-1]) if options.newest else set()
    outcomes = []
    for each, interpreter in found.items():
        if interpreter is None:
            outcomes.append(Outcome(each, Result.NOT_FOUND))
        elif each not in skipped:
            outcomes.append(run(each, interpreter, arguments))
            say(table(outcomes[-1:])[0])
    say("Python and Django")
    print("\n".join(table(outcomes)), flush=True)
    return exit_code(outcomes)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
