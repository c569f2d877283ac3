"""The repository as a whole: a test file for each source file, one noun a file, and nothing of anybody's machine."""

import ast
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[1]
APPS = ("config", "executions", "realtime")
LONGEST = 300  # lines; a longer file has several readers, and is split between them

# Source files that only put others together, or name what others make: the tests of those are theirs.
COMPOSE_ONLY = {
    "config/asgi.py",
    "config/urls.py",
    "executions/apps.py",
    "executions/urls.py",
    "realtime/apps.py",
    "realtime/log/types.py",
    "realtime/publish.py",
    "realtime/routing.py",
    "realtime/server/__main__.py",
    "realtime/urls.py",
}
# Tests of what all files of an app promise together.
OF_THE_WHOLE_APP = {"delivery"}
BAG_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "lib", "tools"}
# Written so that this file does not break its own rule.
SOMEBODYS_MACHINE = re.compile(r"(?<![\w.~])/(?:home|Users|root|work|opt|mnt|farm)/[\w.-]|[A-Z]:\\\\?Users\\")
A_REGISTRY = re.compile(r"pypi\.org|pythonhosted\.|registry\.npmjs\.|deb\.debian\.")


def sources() -> list[Path]:
    return [
        path.relative_to(ROOT)
        for app in APPS
        for path in sorted((ROOT / app).rglob("*.py"))
        if path.name != "__init__.py" and "migrations" not in path.parts
    ]


@cache
def files(root: Path = ROOT) -> list[Path]:
    """All files that are in the repository, or are about to be."""
    if not shutil.which("git") or not (root / ".git").exists():
        pytest.skip("not a git checkout")

    def listed(*which: str) -> list[Path]:
        words = ["git", "ls-files", "-z", *which]
        names = subprocess.run(words, cwd=root, capture_output=True, text=True, check=True).stdout
        return [path for name in names.split("\0") if name and (path := root / name).is_file()]

    return listed("--cached") + [
        path for path in listed("--others", "--exclude-standard") if not is_installed(path, root)
    ]


def is_installed(path: Path, root: Path) -> bool:
    """Whether it is in a virtualenv, whatever its name, or among the packages of Node."""
    folders = [root / folder for folder in path.relative_to(root).parents]
    return any(folder.name == "node_modules" or (folder / "pyvenv.cfg").exists() for folder in folders)


def text_of(path: Path) -> str:
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return ""  # a picture


def found_in_files(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files()
        if path != Path(__file__)
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if pattern.search(line)
    ]


def nouns_with_tests(app: str) -> set[str]:
    return {path.stem.removeprefix("test_") for path in (ROOT / "tests" / app).rglob("test_*.py")}


@pytest.mark.parametrize("app", APPS)
def test_a_source_file_has_a_test_file_of_its_name_or_of_its_package(app: str) -> None:
    tested = nouns_with_tests(app)
    untested = [
        source.as_posix()
        for source in sources()
        if source.parts[0] == app
        and source.as_posix() not in COMPOSE_ONLY
        and not tested & {source.stem, *source.parts[1:-1]}
    ]
    assert untested == []


@pytest.mark.parametrize("app", APPS)
def test_a_test_file_is_named_after_a_source_file_or_package(app: str) -> None:
    """And may add an aspect: `test_server_hooks.py` is about `server.py`."""
    nouns = {part for source in sources() if source.parts[0] == app for part in (source.stem, *source.parts[1:-1])}
    strangers = {
        name for name in nouns_with_tests(app) if not any(name == noun or name.startswith(f"{noun}_") for noun in nouns)
    }
    assert strangers - OF_THE_WHOLE_APP == set()


def test_what_is_only_put_together_still_exists() -> None:
    assert COMPOSE_ONLY - {source.as_posix() for source in sources()} == set()


def test_no_file_is_a_bag() -> None:
    assert [path for path in sources() if path.stem in BAG_NAMES] == []


def test_a_source_file_has_one_reader() -> None:
    lengths = {str(source): len((ROOT / source).read_text().splitlines()) for source in sources()}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    assert found_in_files(SOMEBODYS_MACHINE) == []


def test_no_file_names_the_host_of_a_package_registry() -> None:
    assert found_in_files(A_REGISTRY) == []


def test_what_git_would_add_is_ours_but_for_what_was_installed(tmp_path: Path) -> None:
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    for name in ("new.py", "app/new.py", "my env/pyvenv.cfg", "my env/lib/alien.py", "node_modules/alien/index.js"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".gitignore").write_text("*.log\n")
    (tmp_path / "alien.log").touch()
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    assert {path.relative_to(tmp_path).as_posix() for path in files(tmp_path)} == {".gitignore", "new.py", "app/new.py"}


def sleeps(text: str) -> list[int]:
    """The lines on which it lets time pass: a turn of the loop, `sleep(0)`, is none."""
    calls = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    named = ((call, getattr(call.func, "attr", getattr(call.func, "id", ""))) for call in calls)
    return [
        call.lineno for call, name in named if name == "sleep" and [ast.unparse(each) for each in call.args] != ["0"]
    ]


def test_no_test_sleeps() -> None:
    """Whoever waits looks until it is so; whoever needs time to pass says that it is a pace: tests/waiting.py."""
    ours = [path for path in files() if path.suffix == ".py" and path.is_relative_to(ROOT / "tests")]
    found = {str(path.relative_to(ROOT)): lines for path in ours if (lines := sleeps(path.read_text()))}
    assert set(found) == {"tests/waiting.py"}, found
    assert sleeps("await asyncio.sleep(0)\ntime.sleep(0.1)\nsleep(pause)\nawait asyncio.sleep(0.0)") == [2, 3, 4]
