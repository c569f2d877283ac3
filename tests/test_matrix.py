"""Which combinations of Python and Django are tested, where a Python is looked for, and what the table says."""

import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests import matrix
from tests.matrix import ROOT, Combination, Outcome, Result

pytestmark = pytest.mark.once

NAMES = [each.name for each in matrix.combinations()]
LTS, NEWEST = Combination("3.13", "5.2"), Combination("3.13", matrix.django_of("requirements-django6.txt"))
THIS = f"{sys.version_info.major}.{sys.version_info.minor}"


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def a_python(path: Path, version: str) -> Path:
    return program(path, f"echo {version}")


@pytest.fixture
def pyenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on PATH, whose pyenv has no Python yet."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "pyenv" / "versions"


# Which combinations


def test_each_python_has_the_lts_and_the_newest_django_needs_3_12() -> None:
    assert NAMES == ["3.11-django5.2", "3.12-django5.2", "3.13-django5.2", "3.12-django6.1", "3.13-django6.1"]


def test_the_project_says_that_it_runs_on_what_is_tested_and_on_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {line for line in project["classifiers"] if line[-1].isdecimal() and line.count("::") >= 2}
    pythons = {f"Programming Language :: Python :: {each.python}" for each in matrix.combinations()}
    djangos = {f"Framework :: Django :: {each.django}" for each in matrix.combinations()}
    assert named == pythons | djangos
    assert project["requires-python"] == f">={matrix.ON_LTS[0]}"


def test_the_lts_has_the_packages_of_the_requirements_as_they_are() -> None:
    packages = matrix.requirements(LTS)
    assert [pin for pin in packages if pin.startswith("django==")] == [f"django=={version_of('django', packages)}"]
    assert version_of("django", packages).startswith("5.2.")
    assert version_of("django-csp", packages)
    assert version_of("ruff", packages)


def test_the_newest_has_another_django_no_django_csp_and_else_the_same() -> None:
    usual, packages = set(matrix.requirements(LTS)), set(matrix.requirements(NEWEST))
    assert {matrix.package_of(pin) for pin in usual - packages} == {"django", "django-csp"}
    assert packages - usual == set(matrix.pins("requirements-django6.txt"))


def version_of(package: str, pins: list[str]) -> str:
    (found,) = [pin.partition("==")[2].partition(";")[0] for pin in pins if matrix.package_of(pin) == package]
    return found.strip()


@pytest.mark.parametrize(
    ("pin", "package"),
    [
        ("psycopg[binary,pool]==3.3.9", "psycopg"),
        ('pgserver==0.1.4; python_version < "3.13"', "pgserver"),
        ("A", "a"),
    ],
)
def test_a_pin_names_its_package(pin: str, package: str) -> None:
    assert matrix.package_of(pin) == package


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ([], NAMES),
        (["3.13-django6.1"], ["3.13-django6.1"]),
        (["*-django6*"], ["3.12-django6.1", "3.13-django6.1"]),
        (["3.12-*", "3.11-*"], ["3.11-django5.2", "3.12-django5.2", "3.12-django6.1"]),
    ],
)
def test_only_some_are_chosen_by_name_or_pattern(patterns: list[str], names: list[str]) -> None:
    assert [each.name for each in matrix.chosen(matrix.combinations(), patterns)] == names


def test_a_name_of_no_combination_is_an_error_that_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        matrix.main(["--only", "3.10-django5.2"])
    assert ended.value.code == 2
    assert "3.10-django5.2 is none of 3.11-django5.2, " in capsys.readouterr().err


# Which Pythons


def test_a_python_on_the_path_comes_first(pyenv: Path) -> None:
    a_python(pyenv / "3.12.1" / "bin" / "python3.12", "3.12")
    on_path = a_python(pyenv.parents[1] / "bin" / "python3.12", "3.12")
    assert matrix.find("3.12") == on_path


def test_a_shim_that_stands_for_nothing_is_passed_over(pyenv: Path) -> None:
    program(pyenv.parents[1] / "bin" / "python3.12", "echo 'pyenv: python3.12: command not found' >&2; exit 127")
    in_pyenv = a_python(pyenv / "3.12.1" / "bin" / "python3.12", "3.12")
    assert matrix.find("3.12") == in_pyenv


def test_of_several_the_newest_that_works_is_taken(pyenv: Path) -> None:
    for patch in (9, 10):
        a_python(pyenv / f"3.12.{patch}" / "bin" / "python3.12", "3.12")
    a_python(pyenv / "3.12.0rc1" / "bin" / "python3.12", "3.12")
    program(pyenv / "3.12.11" / "bin" / "python3.12", "exit 1")
    assert matrix.find("3.12") == pyenv / "3.12.10" / "bin" / "python3.12"


def test_pyenv_is_looked_for_at_home_and_where_it_says(pyenv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYENV_ROOT")
    machine = pyenv.parents[1]
    at_home = a_python(machine / "home" / ".pyenv" / "versions" / "3.13.0" / "bin" / "python3.13", "3.13")
    assert matrix.find("3.13") == at_home
    program(machine / "bin" / "pyenv", f"echo {machine / 'elsewhere'}")
    elsewhere = a_python(machine / "elsewhere" / "versions" / "3.13.0" / "bin" / "python3.13", "3.13")
    assert matrix.find("3.13") == elsewhere


def test_a_python_of_another_version_or_of_none_is_not_found(pyenv: Path) -> None:
    a_python(pyenv / "3.12.1" / "bin" / "python3.12", "3.11")
    assert matrix.find("3.12") is None
    assert matrix.find("3.13") is None


def test_the_python_that_runs_this_is_usable_as_itself_only() -> None:
    assert matrix.is_usable(Path(sys.executable), THIS)
    assert not matrix.is_usable(Path(sys.executable), "3.1")


# What is told


def test_the_figures_come_from_the_report_of_pytest() -> None:
    report = '<testsuites><testsuite tests="20" failures="1" errors="2" skipped="3"/></testsuites>'
    assert matrix.figures_of(report) == "14 passed, 3 skipped, 3 failed"
    assert matrix.figures_of('<testsuites><testsuite tests="4" failures="0"/></testsuites>') == "4 passed"
    assert matrix.figures_of("<testsuites/>") == "no tests"


def test_the_table_has_a_line_for_each_in_columns() -> None:
    outcomes = [
        Outcome(LTS, Result.PASSED, "14 passed", 61.4),
        Outcome(Combination("3.9", "5.2"), Result.NOT_FOUND),
    ]
    assert matrix.table(outcomes) == [
        "3.13-django5.2  passed     61 s  14 passed",
        "3.9-django5.2   not found     -",
    ]


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([Result.PASSED, Result.PASSED], 0),
        ([Result.PASSED, Result.NOT_FOUND], 0),
        ([Result.FAILED, Result.PASSED], 1),
        ([Result.PASSED, Result.NOT_INSTALLED], 1),
        ([Result.NOT_FOUND], matrix.NOTHING_FOUND),
        ([], matrix.NOTHING_FOUND),
    ],
)
def test_what_failed_is_in_the_exit_code_and_what_was_not_found_is_not(results: list[Result], code: int) -> None:
    assert matrix.exit_code([Outcome(LTS, result) for result in results]) == code


def test_a_machine_without_any_of_the_pythons_is_told_so(pyenv: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert matrix.main(["--only", "3.13-*"]) == matrix.NOTHING_FOUND
    told = capsys.readouterr().out
    assert f"{NEWEST.name}: NOT FOUND: there is no python3.13 here" in told
    assert told.splitlines()[-2:] == ["3.13-django5.2  not found  -", f"{NEWEST.name}  not found  -"]


@pytest.fixture
def installed(pyenv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """3.12 and 3.13 are found, and their virtualenvs are there. The pytest of each only notes what it was told, and
    that of 3.12 fails."""
    monkeypatch.setattr(matrix, "FOLDER", tmp_path / "matrix")
    for python in ("3.12", "3.13"):
        a_python(pyenv / f"{python}.0" / "bin" / f"python{python}", python)
    for each in matrix.combinations():
        note = f'if [ "$2" = pytest ]; then echo "$*" > {each.folder}/told.txt; [ {each.python} != 3.12 ]; fi'
        script = f"echo {each.python}; {note}"
        program(each.folder / "bin" / "python", script)
        (each.folder / "installed.txt").write_text("".join(f"{pin}\n" for pin in matrix.requirements(each)))
    return matrix.FOLDER


def test_each_that_is_found_is_run_and_one_that_fails_makes_all_fail(installed: Path) -> None:
    assert matrix.main([]) == 1
    assert {path.parent.name for path in installed.glob("*/told.txt")} == set(NAMES) - {"3.11-django5.2"}
    assert matrix.main(["--only", "3.13-*"]) == 0


def test_pytest_gets_what_follows_and_which_tests_are_quick(installed: Path) -> None:
    matrix.main(["--only", NEWEST.name, "--quick", "--", "-x", "-k", "wire"])
    told = (installed / NEWEST.name / "told.txt").read_text().split()
    assert told[:2] == ["-m", "pytest"]
    assert told[3:] == " ".join([*matrix.AT_ONCE, *matrix.QUICK, "-x", "-k", "wire"]).split()


def test_the_newest_is_the_last_that_is_found(installed: Path, pyenv: Path) -> None:
    assert matrix.main(["--only", "*-django6*", "--newest"]) == 0
    assert [path.parent.name for path in installed.glob("*/told.txt")] == [NEWEST.name]
    (pyenv / "3.13.0" / "bin" / "python3.13").unlink()
    assert matrix.main(["--only", "*-django6*", "--newest"]) == 1
    assert len(list(installed.glob("*/told.txt"))) == 2


def test_it_needs_only_the_standard_library_and_has_a_help() -> None:
    program = "import sys; sys.path.insert(0, '.'); from tests import matrix; matrix.main(['--help'])"
    words = [sys.executable, "-I", "-S", "-c", program]
    shown = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert "--only NAME" in shown.stdout
