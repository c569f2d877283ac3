"""Languages of files, and their lines of code, comments and blank lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.blocks.languages import Lines, language_of

pytestmark = pytest.mark.once

PYTHON = '''"""A docstring is a string.

# And so is this.
"""

x = "# no comment"  # a comment behind code
# a comment
y = \'\'\'
# still a string
\'\'\'
'''
JAVASCRIPT = """/* one
 * two
 */
const url = "https://example.com"; // behind code
const text = `
// no comment
`;

// three
const it = '/*';
go(); /* begins behind code
and ends before */ code();
"""
HTML = """<!-- one
two -->
{# three #}
<p>it's # not // a comment</p>
{% comment "why" %}
four
{% endcomment %}
"""


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("a.py", PYTHON, Lines(code=7, comment=1, blank=2)),
        ("a.mjs", JAVASCRIPT, Lines(code=7, comment=4, blank=1)),
        ("a.html", HTML, Lines(code=1, comment=6, blank=0)),
        ("a.sh", "#!/bin/sh\necho $# ${x#y} # behind\n  # alone\n", Lines(code=1, comment=2, blank=0)),
        ("a.sql", "-- one\nSELECT '--'; -- behind\n", Lines(code=1, comment=1, blank=0)),
        ("a.rs", "fn f<'a>(x: &'a str) {} // it's\n/* c */\n", Lines(code=1, comment=1, blank=0)),
        ("Makefile", "# one\nall: ; @echo\n", Lines(code=1, comment=1, blank=0)),
        ("a.c", "int x; /* never closed\n\nint y;", Lines(code=1, comment=1, blank=1)),
        ("a.py", "", Lines()),
        ("a.py", "x = 1", Lines(code=1)),
        ("a.py", "\n\n", Lines(blank=2)),
    ],
)
def test_lines_are_counted_by_kind(name: str, text: str, lines: Lines) -> None:
    language = language_of(name)
    assert language
    assert language.count(text) == lines


@pytest.mark.parametrize(
    ("name", "language"),
    [
        *[("a.py", "Python"), ("A.PY", "Python"), ("a.b.ts", "TypeScript"), ("Makefile", "Make"), ("x.css", "CSS")],
        *[("README.md", None), ("a.txt", None), (".env", None), (".py", None), ("py", None), ("", None), ("a.", None)],
    ],
)
def test_the_language_follows_from_the_name_of_the_file(name: str, language: str | None) -> None:
    found = language_of(name)
    assert (found and found.name) == language


@given(st.text(alphabet="\"'`#/*-<>!\\\n ax{%}"), st.sampled_from(["a.py", "a.js", "a.html", "a.sh", "a.go", "a.php"]))
def test_every_line_is_counted_once(text: str, name: str) -> None:
    language = language_of(name)
    assert language
    assert sum(language.count(text)) == len(text.split("\n")) - text.endswith("\n") - (text == "")


@pytest.mark.parametrize(
    "piece", ["/*", '"""', "'", '"', "`", "<!--", "{% comment", "{#", "\\", "\\`", "#", "/* *", "{% comment %}", "{% "]
)
@pytest.mark.parametrize("name", ["a.py", "a.js", "a.html", "a.sh", "a.toml"])
def test_a_hostile_source_is_counted_in_linear_time(name: str, piece: str) -> None:
    """In quadratic time this would take hours."""
    language = language_of(name)
    assert language
    assert sum(language.count(piece * 200_000 + "\\")) == 1
