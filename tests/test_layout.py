"""The repository as a whole: tests mirror sources, packages have contracts, and no file names a developer's machine."""

import ast
import configparser
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[1]
APPS = ("config", "executions", "realtime")
LONGEST = 300  # lines; a longer file is split by reader

# Source files that only put others together, or only declare types: the tests of the others cover them.
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
# Tests of what all files of an app guarantee together.
OF_THE_WHOLE_APP = {"realtime/test_delivery.py"}
BAG_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "lib", "tools"}
# The patterns do not match themselves.
A_DEVELOPERS_MACHINE = re.compile(r"(?<![\w.~])/(?:home|Users|root|work|opt|mnt|farm)/[\w.-]|[A-Z]:\\\\?Users\\")
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
    """All files that git tracks, and the untracked files that it does not ignore."""
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
    """Whether the file is in a virtualenv of any name, or in node_modules."""
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


def files_of_tests(app: str) -> list[Path]:
    return [path.relative_to(ROOT / "tests") for path in sorted((ROOT / "tests" / app).rglob("test_*.py"))]


@pytest.mark.parametrize("app", APPS)
def test_a_source_file_has_a_test_file_of_its_path_and_stem(app: str) -> None:
    """`realtime/hub/fanout.py` has `tests/realtime/hub/test_fanout.py`."""
    tests = set(files_of_tests(app))
    untested = [
        source.as_posix()
        for source in sources()
        if source.parts[0] == app
        and source.as_posix() not in COMPOSE_ONLY
        and source.with_name(f"test_{source.name}") not in tests
    ]
    assert untested == []


@pytest.mark.parametrize("app", APPS)
def test_a_test_file_is_named_after_a_source_file_in_the_same_place(app: str) -> None:
    """`test_server_hooks.py` is an aspect of `server.py`. A test of a whole package has the name of the package."""
    stems = {(source.parent, source.stem) for source in sources()}
    stems |= {(source.parent, source.parent.name) for source in sources()}
    strangers = [
        test.as_posix()
        for test in files_of_tests(app)
        if test.as_posix() not in OF_THE_WHOLE_APP
        and not any(
            test.parent == folder and (test.stem == f"test_{stem}" or test.stem.startswith(f"test_{stem}_"))
            for folder, stem in stems
        )
    ]
    assert strangers == []


def test_what_is_only_put_together_still_exists() -> None:
    assert COMPOSE_ONLY - {source.as_posix() for source in sources()} == set()


@pytest.mark.parametrize("app", APPS)
def test_a_package_says_its_purpose_in_one_sentence(app: str) -> None:
    """All but `realtime.server`, which stays empty: its import must not import Daphne."""
    silent = [
        path.parent.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / app).glob("*/__init__.py"))
        if path.parent.name not in ("management", "migrations", "templatetags")
        and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert set(silent) <= {"realtime/server"}


@pytest.mark.parametrize("app", APPS)
def test_a_package_has_an_exhaustive_contract(app: str) -> None:
    rules = configparser.ConfigParser()
    rules.read(ROOT / ".importlinter")
    exhaustive = {
        rules[section]["containers"].strip()
        for section in rules.sections()
        if rules[section].getboolean("exhaustive", fallback=False)
    }
    packages = {app} | {
        f"{app}.{path.parent.name}"
        for path in (ROOT / app).glob("*/__init__.py")
        if path.parent.name not in ("management", "migrations", "templatetags")
    }
    assert packages - exhaustive == set()


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/protocol.md", "docs/operations.md"]
)
def test_a_page_names_files_that_exist(page: str) -> None:
    named = set(re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.(?:py|js|md|json|sh|mjs))`", (ROOT / page).read_text()))
    tops = {"bench", "config", "docs", "examples", "executions", "realtime", "tests"}
    missing = {
        name for name in named if not (ROOT / (name if name.split("/")[0] in tops else f"realtime/{name}")).exists()
    }
    assert missing == set()


def test_no_file_has_a_name_without_meaning() -> None:
    assert [path for path in sources() if path.stem in BAG_NAMES] == []


def test_a_source_file_is_short() -> None:
    lengths = {str(source): len((ROOT / source).read_text().splitlines()) for source in sources()}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_no_file_names_a_path_of_a_developers_machine() -> None:
    assert found_in_files(A_DEVELOPERS_MACHINE) == []


def test_no_file_names_the_host_of_a_package_registry() -> None:
    assert found_in_files(A_REGISTRY) == []


def test_installed_packages_are_not_our_files(tmp_path: Path) -> None:
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
    """The lines with a call of sleep, without `sleep(0)`, which only yields to the event loop."""
    calls = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    named = ((call, getattr(call.func, "attr", getattr(call.func, "id", ""))) for call in calls)
    return [
        call.lineno for call, name in named if name == "sleep" and [ast.unparse(each) for each in call.args] != ["0"]
    ]


def test_no_test_sleeps() -> None:
    """A test that waits checks a condition; a test that needs time to pass calls `rest`: tests/waiting.py."""
    ours = [path for path in files() if path.suffix == ".py" and path.is_relative_to(ROOT / "tests")]
    found = {str(path.relative_to(ROOT)): lines for path in ours if (lines := sleeps(path.read_text()))}
    assert set(found) == {"tests/waiting.py"}, found
    assert sleeps("await asyncio.sleep(0)\ntime.sleep(0.1)\nsleep(pause)\nawait asyncio.sleep(0.0)") == [2, 3, 4]
