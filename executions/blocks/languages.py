"""Detects the language of a file by its name, and counts its lines of code, comments and blank lines. Pure.

A line is a comment if it holds nothing else. A string is code, even over several lines; so is a docstring. A comment
sign inside a string is part of the string. This is a scanner, not a parser: in a language with nested comments or other
strings, it counts a few lines wrongly.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

_DOUBLE = r'"(?:\\.|[^"\\\n])*"?'
_SINGLE = r"'(?:\\.|[^'\\\n])*'?"
_BACKTICK = r"`(?:\\(?:.|\Z)|[^`\\])*(?:`|\Z)"
_TRIPLE = r'"""(?:\\(?:.|\Z)|[^\\])*?(?:"""|\Z)', r"'''(?:\\(?:.|\Z)|[^\\])*?(?:'''|\Z)"
# An unclosed string or comment ends at the end of the file or line, so no text is scanned twice.
_SLASHES, _HASH, _DASHES = r"//[^\n]*", r"(?<![^\s;])\#[^\n]*", r"--[^\n]*"
_STARS, _ANGLES = r"/\*.*?(?:\*/|\Z)", r"<!--.*?(?:-->|\Z)"
_DJANGO = r"\{\#[^\n]*?(?:\#\}|(?=\n)|\Z)", r"\{%\s*comment\b.*?(?:\{%\s*endcomment\s*%\}|\Z)"

_C_LIKE = (_DOUBLE, _SINGLE), (_SLASHES, _STARS)
_MARK = "\0"  # no source file has it; read_file refuses files with it


class Lines(NamedTuple):
    code: int = 0
    comment: int = 0
    blank: int = 0


@dataclass(frozen=True)
class Language:
    name: str
    strings: tuple[str, ...]  # regular expressions; a match is code
    comments: tuple[str, ...]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        strings = "|".join(self.strings) or "(?!)"
        return re.compile(f"(?:{strings})|(?P<comment>{'|'.join(self.comments)})", re.DOTALL)

    def count(self, text: str) -> Lines:
        """The lines of a source text, by kind. The time is linear in the length of any text."""
        code = comment = blank = 0
        marked = self._pattern.sub(lambda found: found[0] if found["comment"] is None else _marked(found[0]), text)
        lines = marked.split("\n")
        for line in lines[:-1] if lines[-1] == "" else lines:
            rest = line.strip()
            if not rest:
                blank += 1
            elif rest.strip(_MARK + " \t\r\f\v"):
                code += 1
            else:
                comment += 1
        return Lines(code, comment, blank)


def _marked(comment: str) -> str:
    return re.sub(r"\S", _MARK, comment)


_BY_SUFFIX = {
    suffix: Language(name, strings, comments)
    for name, suffixes, (strings, comments) in (
        ("Python", ".py .pyi", ((*_TRIPLE, _DOUBLE, _SINGLE), (r"\#[^\n]*",))),
        ("JavaScript", ".js .mjs .cjs .jsx", ((_DOUBLE, _SINGLE, _BACKTICK), (_SLASHES, _STARS))),
        ("TypeScript", ".ts .tsx .mts", ((_DOUBLE, _SINGLE, _BACKTICK), (_SLASHES, _STARS))),
        ("HTML", ".html .htm", ((), (_ANGLES, *_DJANGO))),
        ("CSS", ".css", ((_DOUBLE, _SINGLE), (_STARS,))),
        ("SCSS", ".scss .less", _C_LIKE),
        ("Shell", ".sh .bash .zsh", ((_DOUBLE, _SINGLE), (_HASH,))),
        ("SQL", ".sql", ((_DOUBLE, _SINGLE), (_DASHES, _STARS))),
        ("C", ".c .h", _C_LIKE),
        ("C++", ".cc .cpp .cxx .hh .hpp", _C_LIKE),
        ("C#", ".cs", _C_LIKE),
        ("Java", ".java", _C_LIKE),
        ("Kotlin", ".kt .kts", ((_TRIPLE[0], _DOUBLE, _SINGLE), (_SLASHES, _STARS))),
        ("Swift", ".swift", ((_TRIPLE[0], _DOUBLE), (_SLASHES, _STARS))),
        ("Go", ".go", ((_DOUBLE, _SINGLE, r"`[^`]*(?:`|\Z)"), (_SLASHES, _STARS))),
        ("Rust", ".rs", ((_DOUBLE,), (_SLASHES, _STARS))),
        ("PHP", ".php", ((_DOUBLE, _SINGLE), (_SLASHES, _STARS, _HASH))),
        ("Ruby", ".rb", ((_DOUBLE, _SINGLE), (_HASH,))),
        ("TOML", ".toml", ((*_TRIPLE, _DOUBLE, _SINGLE), (_HASH,))),
        ("YAML", ".yaml .yml", ((_DOUBLE, _SINGLE), (_HASH,))),
        ("Make", ".mk", ((), (_HASH,))),
        ("Docker", ".dockerfile", ((), (_HASH,))),
    )
    for suffix in suffixes.split()
}
_BY_NAME = {"makefile": _BY_SUFFIX[".mk"], "dockerfile": _BY_SUFFIX[".dockerfile"]}


def language_of(name: str) -> Language | None:
    """The language of a file by its name, without folders. None if it is not a known source file."""
    name = name.lower()
    stem, dot, suffix = name.rpartition(".")
    return _BY_NAME.get(name) or (_BY_SUFFIX.get(dot + suffix) if stem else None)
