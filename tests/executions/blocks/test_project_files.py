"""Only source files of the project are found and read, for any path."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from executions.blocks import project_files
from executions.blocks.project_files import find_files, folders, read_file
from executions.blocks.registry import BlockError

pytestmark = pytest.mark.once


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.py").write_text("SECRET = 1\n")
    return folder


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    (folder / "app" / "inner").mkdir(parents=True)
    (folder / "app" / "a.py").write_text("a = 1\n")
    (folder / "app" / "inner" / "b.js").write_text("b();\n")
    (folder / "c.sh").write_text("c\n")
    monkeypatch.setattr(project_files, "PROJECT", folder)
    return folder


def paths(folder: str = ".") -> list[str]:
    return [path for path, _ in find_files(folder).files]


def test_the_source_files_of_a_folder_are_found_in_order(project: Path) -> None:
    (project / "notes.txt").write_text("no source")

    assert paths() == ["app/a.py", "app/inner/b.js", "c.sh"]
    assert paths("app/inner") == paths("./app//inner/") == ["app/inner/b.js"]
    assert read_file("app/a.py") == "a = 1\n"


@pytest.mark.parametrize(
    "path",
    [
        *["..", "../outside", "app/../../outside", "app/..", "/", "/etc", "//etc", "..\\outside", "app\0"],
        *[
            "no",
            "app/a.py",
            "c.sh/",
            ".git",
            "app/.hidden",
            "node_modules",
            "x" * 301,
            "a/" * 41,
            "\udcff",
            "~",
            "$HOME",
        ],
    ],
)
def test_a_path_out_of_the_project_is_refused(project: Path, outside: Path, path: str) -> None:
    for read in (find_files, lambda each: read_file(f"{each}/secret.py")):
        with pytest.raises(BlockError):
            read(path)


def test_links_are_never_followed(project: Path, outside: Path) -> None:
    (project / "folder").symlink_to(outside)
    (project / "app" / "secret.py").symlink_to(outside / "secret.py")
    (project / "app" / "inside.py").symlink_to(project / "app" / "a.py")
    (project / "loop").symlink_to(project)

    found = find_files(".")

    assert [path for path, _ in found.files] == ["app/a.py", "app/inner/b.js", "c.sh"]
    assert found.left_out["links"] == 4
    for read in (
        lambda: find_files("folder"),
        lambda: read_file("folder/secret.py"),
        lambda: read_file("app/secret.py"),
    ):
        with pytest.raises(BlockError):
            read()


def test_the_project_folder_itself_may_be_a_link(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project.parent / "link").symlink_to(project)
    monkeypatch.setattr(project_files, "PROJECT", project.parent / "link")

    assert paths("app") == ["app/a.py", "app/inner/b.js"]


def swapping(inside: Path, link: Path, is_over: threading.Event) -> None:
    """Replaces the original by a link and back, as fast as possible."""
    aside = inside.with_name("aside")
    while not is_over.is_set():
        inside.rename(aside)
        link.rename(inside)
        inside.rename(link)
        aside.rename(inside)


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_link_that_appears_during_the_access_is_not_followed(project: Path, outside: Path, is_folder: bool) -> None:
    inside, target = (project / "app", outside) if is_folder else (project / "app" / "a.py", outside / "secret.py")
    (outside / "a.py").write_text("SECRET = 1\n")
    link = project / "link"
    link.symlink_to(target)
    is_over = threading.Event()
    thread = threading.Thread(target=swapping, args=(inside, link, is_over))
    thread.start()
    texts, refused = set(), 0
    try:
        while refused < 20 or len(texts) < 1:
            try:
                texts.add(read_file("app/a.py"))
            except BlockError:
                refused += 1
            assert "outside/secret.py" not in str(find_files(".").files)
    finally:
        is_over.set()
        thread.join()

    assert texts == {"a = 1\n"}


def test_hidden_and_third_party_folders_are_skipped(project: Path) -> None:
    for name in (".git", "node_modules", "__pycache__", "env"):
        (project / name).mkdir()
        (project / name / "x.py").write_text("x = 1\n")
    (project / ".env.py").write_text("SECRET = 1\n")
    (project / "env" / "pyvenv.cfg").write_text("")

    found = find_files(".")

    assert [path for path, _ in found.files] == ["app/a.py", "app/inner/b.js", "c.sh"]
    assert found.left_out["folders of other people's code"] == 3


@pytest.mark.parametrize("name", ["a\nb.py", "a\x1b[31m.py", "\u202eyp.py", os.fsdecode(b"\xff.py")])
def test_an_unprintable_name_is_counted_and_skipped(project: Path, name: str) -> None:
    (project / name).write_text("x = 1\n")

    found = find_files(".")

    assert len(found.files) == 3
    assert found.left_out["names that cannot be shown"] == 1


def test_pipes_and_devices_are_skipped_without_blocking(project: Path) -> None:
    os.mkfifo(project / "pipe.py")

    assert find_files(".").left_out["what is not a plain file"] == 1
    with pytest.raises(BlockError, match="not a plain file"):
        read_file("pipe.py")


@pytest.mark.parametrize(
    ("limit", "most", "files", "left_out"),
    [
        ("MAX_FILES", 2, 2, "files beyond the limits"),
        ("MAX_BYTES", 11, 2, "files beyond the limits"),
        ("MAX_FILE_BYTES", 5, 2, "files longer than 0 KB"),
        ("MAX_ENTRIES", 1, 0, "folders beyond the limits"),
        ("MAX_DEPTH", 1, 2, "folders beyond the limits"),
    ],
)
def test_files_beyond_a_limit_are_counted(
    project: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int, files: int, left_out: str
) -> None:
    monkeypatch.setattr(project_files, limit, most)

    found = find_files(".")

    assert len(found.files) == files
    assert found.left_out[left_out] == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda file: file.write_bytes(b"\xff\xfe"), "not a text in UTF-8"),
        (lambda file: file.write_bytes(b"a\0b"), "not a text"),
        (lambda file: file.write_bytes(b"x" * (1024 * 1024 + 1)), "longer than 1,024 KB"),
        (lambda file: file.unlink(), "not a file of this project"),
        (lambda file: file.rename(file.with_suffix(".txt")), "not a file of this project"),
    ],
)
def test_a_file_that_changed_since_it_was_found_is_an_error(
    project: Path, make: Callable[[Path], object], message: str
) -> None:
    make(project / "app" / "a.py")

    with pytest.raises(BlockError, match=message):
        read_file("app/a.py")


def test_only_source_files_are_read(project: Path) -> None:
    (project / "secrets.txt").write_text("secret")

    for path in ("secrets.txt", "app", ""):
        with pytest.raises(BlockError, match="is not a source file"):
            read_file(path)


def test_folders_with_source_files_are_listed(project: Path, outside: Path) -> None:
    (project / "docs").mkdir()
    (project / "link").symlink_to(outside)

    assert folders() == [".", "app", "app/inner"]
    assert folders(depth=1) == [".", "app"]
    assert folders(limit=2) == [".", "app"]
