"""The blocks of "Codebase census": they analyse a folder of source code. `project_files.py` limits what they may read.

A file that was deleted, or cannot be read, is counted and skipped.
"""

import ast
import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, Field

from executions.blocks import project_files
from executions.blocks.languages import Lines, language_of
from executions.blocks.markdown import escaped, table
from executions.blocks.project_files import find_files, read_file
from executions.blocks.registry import BlockError, BlockInput, Folder, Outputs, block


class SourceFile(BaseModel):
    path: str
    language: str
    bytes: int


class FolderInput(BlockInput):
    folder: Annotated[str, Folder()] = Field(
        default=".", title="Folder", description="A folder of this project. Only its source files are read."
    )


class FilesInput(BlockInput):
    files: Annotated[list[SourceFile], Field(max_length=project_files.MAX_FILES)]


class FunctionsInput(FilesInput):
    most: int = Field(default=15, ge=1, le=200, description="How many of the longest functions are kept.")


class LanguageLines(BaseModel):
    language: str
    files: int
    code: int
    comment: int
    blank: int


class Function(BaseModel):
    name: str
    path: str
    line: int
    lines: int


class Import(BaseModel):
    module: str
    origin: str
    files: int


class LeftOut(BaseModel):
    what: str
    count: int


class ReportInput(BlockInput):
    folder: str
    file_count: int
    byte_count: int
    left_out: list[LeftOut]
    languages: list[LanguageLines]
    functions: list[Function]
    function_count: int
    imports: list[Import]
    unread: list[str]


@block("census.files", title="Source files", description="Finds the source files in a folder of this project.")
def files(data: FolderInput) -> Outputs:
    found = find_files(data.folder)
    if not found.files:
        raise BlockError(f"There is no source file in “{found.folder}”.")
    listed = [
        {"path": path, "language": language.name, "bytes": size}
        for path, size in found.files
        if (language := language_of(path.rpartition("/")[2]))
    ]
    return {
        "files": listed,
        "folder": [found.folder],
        "count": [len(listed)],
        "bytes": [found.size],
        "left_out": [{"what": what, "count": count} for what, count in sorted(found.left_out.items())],
    }


@block("census.lines", title="Lines", description="Counts lines of code, comments and blank lines, by language.")
def lines(data: FilesInput) -> Outputs:
    totals: dict[str, list[Lines]] = defaultdict(list)
    unread = []
    for path in _paths(data):
        language = language_of(path.rpartition("/")[2])
        try:
            text = read_file(path)
        except BlockError as error:
            unread.append(str(error))
            continue
        if language:
            totals[language.name].append(language.count(text))
    found = [
        {
            "language": name,
            "files": len(counts),
            **dict(zip(Lines._fields, map(sum, zip(*counts, strict=True)), strict=True)),
        }
        for name, counts in totals.items()
    ]
    return {"languages": sorted(found, key=lambda each: (-each["code"], each["language"])), "unread": unread}


@block("census.functions", title="Functions", description="Finds the longest functions of the Python files.")
def functions(data: FunctionsInput) -> Outputs:
    found = [function for path, tree in _trees(data) for function in _functions_of(path, tree)]
    found.sort(key=lambda each: (-each["lines"], each["path"], each["line"]))
    return {"functions": found[: data.most], "count": [len(found)]}


def _functions_of(path: str, tree: ast.AST) -> Iterator[dict[str, Any]]:
    stack: list[tuple[ast.AST, str]] = [(tree, "")]
    while stack:  # an explicit stack, because code may nest deeper than the recursion limit
        node, outer = stack.pop()
        for child in ast.iter_child_nodes(node):
            name = outer
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = f"{outer}.{child.name}" if outer else child.name
                if not isinstance(child, ast.ClassDef):
                    length = (child.end_lineno or child.lineno) - child.lineno + 1
                    yield {"name": name, "path": path, "line": child.lineno, "lines": length}
            stack.append((child, name))


@block(
    "census.imports", title="Imports", description="Counts which modules the Python files import, and whose they are."
)
def imports(data: FilesInput) -> Outputs:
    own = {path.removeprefix("src/").partition("/")[0].removesuffix(".py") for path in _paths(data)}
    users: Counter[str] = Counter()
    for _, tree in _trees(data):
        users.update(_imported(tree))
    ranked = sorted(users.items(), key=lambda item: (-item[1], item[0]))[:500]
    return {"imports": [{"module": name, "origin": _origin(name, own), "files": count} for name, count in ranked]}


def _imported(tree: ast.AST) -> set[str]:
    """The top-level names of the modules that a file imports, without relative imports."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def _origin(module: str, own: set[str]) -> str:
    if module in sys.stdlib_module_names:
        return "standard library"
    return "own" if module in own else "third party"


def _paths(data: FilesInput) -> list[str]:
    return [each.path for each in data.files]


def _trees(data: FilesInput) -> Iterator[tuple[str, ast.AST]]:
    """The syntax trees of the Python files, one at a time. Files that Python cannot parse are skipped."""
    for path in _paths(data):
        if not path.endswith(".py"):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # for example about invalid escapes
                tree = ast.parse(read_file(path))
        except (BlockError, SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        yield path, tree


@block("census.report", title="Report", description="Joins what the branches found to a report in Markdown.")
def report(data: ReportInput) -> Outputs:
    total = [sum(getattr(each, name) for each in data.languages) for name in Lines._fields]
    folder = "the whole project" if data.folder == "." else f"“{escaped(data.folder)}”"
    text = [
        "# Codebase census",
        "",
        f"{total[0]:,} lines of code, {total[1]:,} of comments and {total[2]:,} blank ones in {data.file_count:,} "
        f"source files ({data.byte_count / 1024:,.0f} KB) of {folder}.",
        "",
        "## Lines by language",
        *table(
            ["Language", "Files", "Code", "Comment", "Blank"],
            ([each.language, each.files, each.code, each.comment, each.blank] for each in data.languages),
        ),
    ]
    if data.functions:
        text += [f"## Longest of {data.function_count:,} Python functions"]
        rows = ([each.lines, each.name, f"{each.path}:{each.line}"] for each in data.functions)
        text += table(["Lines", "Function", "Where"], rows)
    if data.imports:
        text += ["## Imports", "", "How many Python files import what.", ""]
        for origin in ("third party", "standard library", "own"):
            if named := [f"{escaped(each.module)} ({each.files:,})" for each in data.imports if each.origin == origin][
                :15
            ]:
                text += [f"- {origin.capitalize()}: {', '.join(named)}"]
        text += [""]
    left_out = [f"- {each.count:,} {escaped(each.what)}" for each in data.left_out]
    left_out += [f"- {escaped(each)}" for each in data.unread[:10]]
    text += ["## Left out", "", *(left_out or ["Nothing."])]
    return {"report": ["\n".join(text) + "\n"]}
