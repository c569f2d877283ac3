"""Markdown that shows what a stranger wrote as it is: names, sentences, cells, whatever signs they hold. Pure."""

import re
from collections.abc import Iterable

MAX_LINE = 1_000
"""Characters of one quoted sentence: a text without full stops is one sentence."""
MAX_CELL = 80
"""Characters of one cell of a table."""

_SIGNS = re.compile(r"[\\`*_\[\]<>|~&]|^[-+#=]")
"""Signs that mean something in Markdown: anywhere, or at the start of a line."""
_NUMBERED = re.compile(r"^(\d{1,9})([.)])")


def escaped(text: str, most: int = MAX_LINE) -> str:
    """The text as Markdown that shows it as it is, on one line of at most so many characters."""
    line = " ".join(text.split())
    if len(line) > most:
        line = line[:most].rstrip() + " …"
    return _NUMBERED.sub(r"\1\\\2", _SIGNS.sub(r"\\\g<0>", line))


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> list[str]:
    """The lines of a table, with an empty line around it; its cells are shown as they are."""
    titles = list(head)
    body = [_row(each) for each in rows]
    return ["", _row(titles), "|" + " --- |" * len(titles), *body, ""]


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(escaped(_text(cell), MAX_CELL) for cell in cells) + " |"


def _text(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)
