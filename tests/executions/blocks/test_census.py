"""The blocks of "Codebase census"."""

from pathlib import Path
from typing import Any

import pytest

from executions.blocks import project_files
from executions.blocks.registry import BlockError, Outputs, find_block
from executions.web.markdown_report import render

pytestmark = pytest.mark.once

SOURCES = {
    "app/models.py": '"""Models."""\n\nimport json\nfrom django.db import models\nfrom app import other\n'
    "from . import views\n\n\nclass A(models.Model):\n    def long(self):\n        a = 1\n\n        def inner():\n"
    "            pass\n\n        return a\n\n    async def short(self): ...\n",
    "app/other.py": "import json, os.path  # both\nimport django\n\n# a comment\nshort = lambda: 1\n",
    "app/broken.py": "def broken(:\n",
    "app/page.js": "// one\ngo();\n",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for path, text in SOURCES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    monkeypatch.setattr(project_files, "PROJECT", tmp_path)
    return tmp_path


def run(block_id: str, **data: Any) -> Outputs:
    found = find_block(f"census.{block_id}")
    assert found
    return found.run(data)


def files(folder: str = ".") -> list[Any]:
    return run("files", folder=folder)["files"]


def report(folder: str = ".") -> str:
    found = run("files", folder=folder)
    counted, functions = run("lines", files=found["files"]), run("functions", files=found["files"])
    text: str = run(
        "report",
        folder=found["folder"][0],
        file_count=found["count"][0],
        byte_count=found["bytes"][0],
        left_out=found["left_out"],
        **counted,
        functions=functions["functions"],
        function_count=functions["count"][0],
        **run("imports", files=found["files"]),
    )["report"][0]
    return text


def test_files_are_listed_with_language_and_size(project: Path) -> None:
    found = run("files", folder="./app//")

    assert found["files"][-1] == {
        "path": "app/page.js",
        "language": "JavaScript",
        "bytes": len(SOURCES["app/page.js"]),
    }
    assert (found["folder"], found["count"]) == (["app"], [4])
    assert found["bytes"] == [sum(map(len, SOURCES.values()))]


def test_lines_are_counted_by_language(project: Path) -> None:
    assert run("lines", files=files())["languages"] == [
        {"language": "Python", "files": 3, "code": 16, "comment": 1, "blank": 7},
        {"language": "JavaScript", "files": 1, "code": 1, "comment": 1, "blank": 0},
    ]


def test_the_longest_functions_are_listed_with_their_lines(project: Path) -> None:
    found = run("functions", files=files(), most=2)

    assert found["functions"] == [
        {"name": "A.long", "path": "app/models.py", "line": 10, "lines": 7},
        {"name": "A.long.inner", "path": "app/models.py", "line": 13, "lines": 2},
    ]
    assert found["count"] == [3]


def test_imports_are_counted_by_file_and_origin(project: Path) -> None:
    assert run("imports", files=files())["imports"] == [
        {"module": "django", "origin": "third party", "files": 2},
        {"module": "json", "origin": "standard library", "files": 2},
        {"module": "app", "origin": "own", "files": 1},
        {"module": "os", "origin": "standard library", "files": 1},
    ]


def test_the_report_has_all_parts(project: Path) -> None:
    text = report()

    assert "17 lines of code, 2 of comments and 7 blank ones in 4 source files" in text
    assert "| Python | 3 | 16 | 1 | 7 |" in text
    assert "| 7 | A.long | app/models.py:10 |" in text
    assert "- Third party: django (2)" in text
    assert text.endswith("## Left out\n\nNothing.\n")


def test_hostile_names_are_escaped(project: Path) -> None:
    (project / "<img src=x onerror=alert(1)>").mkdir()
    (project / "<img src=x onerror=alert(1)>" / "[a](javascript:b)|`c`.py").write_text("def f():\n" + "    x\n" * 99)
    (project / "link.py").symlink_to("/etc/passwd")

    html = render(report())

    assert "&lt;img src=x onerror=alert(1)&gt;/[a](javascript:b)|`c`.py:1" in html
    assert "<img" not in html
    assert "<a" not in html
    assert "1 links" in html


@pytest.mark.parametrize(
    "text", ["x" + "(" * 100_000, "(" * 150 + ")" * 150, "a\\\n", "-" * 100_000, "def f(): '\\d'\n"]
)
def test_a_source_that_python_cannot_parse_is_skipped(project: Path, text: str) -> None:
    (project / "app" / "hostile.py").write_text(text)

    assert run("functions", files=files())["count"][0] >= 3
    assert run("imports", files=files())["imports"]


def test_a_deleted_file_is_reported(project: Path) -> None:
    found = files()
    (project / "app" / "page.js").unlink()

    counted = run("lines", files=found)

    assert counted["unread"] == ["“app/page.js” is not a file of this project."]
    assert [each["language"] for each in counted["languages"]] == ["Python"]


def test_a_forged_list_of_files_reads_nothing_outside(project: Path) -> None:
    listed = [{"path": path, "language": "Python", "bytes": 1} for path in ("/etc/passwd.py", "../x.py", "app/../x.py")]

    assert run("lines", files=listed)["languages"] == []
    assert run("functions", files=listed)["functions"] == []


@pytest.mark.parametrize(
    ("folder", "message"),
    [("empty", "There is no source file in “empty”."), ("gone", "There is no folder “gone” in this project.")],
)
def test_a_folder_without_source_is_an_error(project: Path, folder: str, message: str) -> None:
    (project / "empty").mkdir()

    with pytest.raises(BlockError, match=message):
        run("files", folder=folder)
