"""Reads the source files of this project, and no other file of the machine.

A path is split, and each part is opened relative to the folder before it, without following links. So "..", an absolute
path, a link anywhere in the path, and a link that replaces a folder during the access, are all refused. Only folders
and plain files are opened for reading, no pipes or devices. A hard link or a mount is part of the project, because its
owner made it. Hidden names are ignored: they hold secrets and version history, not source.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from executions.blocks.languages import language_of
from executions.blocks.registry import BlockError

PROJECT = Path(__file__).resolve().parents[2]
"""The folder that contains `executions`."""

MAX_FILES = 2_000  # their list must fit into one event of a node
MAX_FILE_BYTES = 1024 * 1024  # longer files are generated
MAX_BYTES = 16 * 1024 * 1024  # of all files together; reading and parsing them takes some seconds
MAX_ENTRIES = 100_000  # in all visited folders, including ignored names
MAX_PATH = 300  # characters
MAX_DEPTH = 40  # nested folders; each stays open while its content is read

# Generated or third-party folders: counted and skipped.
FOREIGN = frozenset({"node_modules", "__pycache__", "site-packages", "staticfiles", "dist", "build", "venv"})

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass
class Found:
    """The found files with their sizes in bytes, in order, and the number of skipped ones for each reason."""

    folder: str  # the normalised path
    files: list[tuple[str, int]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    size: int = 0
    entries: int = 0

    @property
    def is_full(self) -> bool:
        return len(self.files) >= MAX_FILES or self.entries >= MAX_ENTRIES


def find_files(folder: str) -> Found:
    """The source files in a folder of the project and its subfolders. Raises BlockError for a folder that does not
    exist or is not allowed."""
    parts = _parts(folder)
    found = Found("/".join(parts) or ".")
    with _opened_folder(parts) as fd:
        _scan(fd, parts, found)
    return found


def read_file(path: str) -> str:
    """The text of a source file of the project. Raises BlockError for another kind of file, or if it cannot be read."""
    parts = _parts(path)
    if not parts or language_of(parts[-1]) is None:
        raise BlockError(f"“{path[:MAX_PATH]}” is not a source file.")
    with _opened_folder(parts[:-1]) as folder:
        try:
            fd = os.open(parts[-1], _FILE, dir_fd=folder)
        except OSError:
            raise BlockError(f"“{path}” is not a file of this project.") from None
        with open(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise BlockError(f"“{path}” is not a plain file.")
            content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise BlockError(f"“{path}” is longer than {MAX_FILE_BYTES // 1024:,} KB.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BlockError(f"“{path}” is not a text in UTF-8.") from None
    if "\0" in text:
        raise BlockError(f"“{path}” is not a text.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def folders(depth: int = 3, limit: int = 200) -> list[str]:
    """The paths of folders with source files, "." first, for a form. At most `limit` paths of at most `depth` parts."""
    paths: set[str] = set()
    for path, _ in find_files(".").files:
        parts = path.split("/")[:-1]
        paths.update("/".join(parts[:length]) for length in range(1, min(depth, len(parts)) + 1))
    return [".", *sorted(paths)[: limit - 1]]


def _parts(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or "\\" in path or "\0" in path or ".." in parts:
        raise BlockError("A path goes down from the project's folder: without “..”, and without “/” at its beginning.")
    if len(path) > MAX_PATH or len(parts) > MAX_DEPTH:
        raise BlockError(f"A path has at most {MAX_PATH} characters and {MAX_DEPTH} parts.")
    if any(part.startswith(".") or part in FOREIGN for part in parts):
        raise BlockError("Hidden folders, and those that hold no source of this project, are not looked into.")
    return parts


@contextmanager
def _opened_folder(parts: list[str]) -> Iterator[int]:
    """A file descriptor of the folder, opened part by part from the project's folder."""
    fd = os.open(PROJECT, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            try:
                next_fd = os.open(part, _FOLDER, dir_fd=fd)
            except (OSError, UnicodeEncodeError):
                raise BlockError(f"There is no folder “{'/'.join(parts)}” in this project.") from None
            os.close(fd)
            fd = next_fd
        yield fd
    finally:
        os.close(fd)


def _scan(fd: int, parts: list[str], found: Found) -> None:
    with os.scandir(fd) as entries:
        sorted_entries = sorted(islice(entries, MAX_ENTRIES), key=lambda each: each.name)
        if next(entries, None) is not None:
            found.left_out["folders beyond the limits, in part"] += 1
    if any(entry.name == "pyvenv.cfg" for entry in sorted_entries):
        found.left_out["folders of other people's code"] += 1
        return
    for entry in sorted_entries:
        found.entries += 1
        path = "/".join([*parts, entry.name])
        if entry.name.startswith("."):
            continue
        if entry.is_symlink():
            found.left_out["links"] += 1
        elif not path.isprintable() or len(path) > MAX_PATH:
            # A name that is not UTF-8 has surrogates, which are not printable.
            found.left_out["names that cannot be shown"] += 1
        elif entry.is_dir(follow_symlinks=False):
            _scan_subfolder(fd, [*parts, entry.name], found)
        elif language_of(entry.name):
            _add_file(entry, path, found)


def _scan_subfolder(fd: int, parts: list[str], found: Found) -> None:
    if parts[-1] in FOREIGN:
        found.left_out["folders of other people's code"] += 1
        return
    if found.is_full or len(parts) > MAX_DEPTH:
        found.left_out["folders beyond the limits"] += 1
        return
    try:
        inner = os.open(parts[-1], _FOLDER, dir_fd=fd)
    except OSError:  # deleted, replaced by a link, or not permitted
        found.left_out["folders that cannot be read"] += 1
        return
    try:
        _scan(inner, parts, found)
    finally:
        os.close(inner)


def _add_file(entry: os.DirEntry[str], path: str, found: Found) -> None:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        found.left_out["files that cannot be read"] += 1
        return
    if not stat.S_ISREG(status.st_mode):
        found.left_out["what is not a plain file"] += 1
    elif status.st_size > MAX_FILE_BYTES:
        found.left_out[f"files longer than {MAX_FILE_BYTES // 1024:,} KB"] += 1
    elif found.is_full or found.size + status.st_size > MAX_BYTES:
        found.left_out["files beyond the limits"] += 1
    else:
        found.files.append((path, status.st_size))
        found.size += status.st_size
