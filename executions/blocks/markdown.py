"""Escapes untrusted text for Markdown: names, sentences, cells of tables. Pure."""

import re
from collections.abc import Iterable

MAX_LINE = 1_000
"""Characters of one quoted sentence. A text without full stops is one long sentence."""
MAX_CELL = 80
"""Characters of one cell of a table."""

_SIGNS = re.compile(r"[\\`*_\[\]<>|~&]|^[-+#=]")
"""Characters with a meaning in Markdown, anywhere or at the start of a line."""
_NUMBERED = re.compile(r"^(\d{1,9})([.)])")


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
