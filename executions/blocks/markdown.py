"""Escapes untrusted text for Markdown: names, sentences, cells of tables. Says what is too much to parse. Pure."""

import re
from collections.abc import Iterable

MAX_LINE = 1_000
"""Characters of one quoted sentence. A text without full stops is one long sentence."""
MAX_CELL = 80
"""Characters of one cell of a table."""

_SIGNS = re.compile(r"[\\`*_\[\]<>|~&]|^[-+#=]")
"""Characters with a meaning in Markdown, anywhere or at the start of a line."""
_NUMBERED = re.compile(r"^(\d{1,9})([.)])")

MAX_TABLE_CELLS = 20_000
"""Cells of the tables of one text. A parser makes every row as wide as the head, so 64 KB of text may become a million
cells and gigabytes. The other constructs of Markdown cost a parser time and memory in proportion to their length."""

_DIVIDER = frozenset("|-: \t>*+.)0123456789")
"""The characters of the line below the head of a table, inside lists and quotations."""


def table_cells(text: str) -> int:
    """The most cells that the tables of a Markdown text can have. One scan, without a parser.

    A table has a line of bars and dashes, which gives its width, and ends at an empty line."""
    cells = rows = width = 0
    for line in (*text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""):
        if not line.strip(" \t"):
            cells += rows * width
            rows = width = 0
            continue
        rows += 1
        if "-" in line and _DIVIDER.issuperset(line):
            width = max(width, line.count("|") + 1)
    return cells


def check_tables(text: str) -> None:
    """Raises ValueError for a text whose tables are too much to parse. The message is for people."""
    if (cells := table_cells(text)) > MAX_TABLE_CELLS:
        raise ValueError(f"it has tables of up to {cells:,} cells, and {MAX_TABLE_CELLS:,} are the most.")


def escaped(text: str, limit: int = MAX_LINE) -> str:
    """Markdown that renders as the text itself, on one line of at most `limit` characters."""
    line = " ".join(text.split())
    if len(line) > limit:
        line = line[:limit].rstrip() + " …"
    return _NUMBERED.sub(r"\1\\\2", _SIGNS.sub(r"\\\g<0>", line))


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> list[str]:
    """The lines of a Markdown table with escaped cells, and an empty line before and after it."""
    titles = list(head)
    body = [_row(each) for each in rows]
    return ["", _row(titles), "|" + " --- |" * len(titles), *body, ""]


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(escaped(_text(cell), MAX_CELL) for cell in cells) + " |"


def _text(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)
