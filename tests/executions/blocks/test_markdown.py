"""Untrusted text is escaped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.blocks.markdown import MAX_CELL, escaped, table
from executions.web.markdown_report import render

SIGNS = "<>&|`*_[]()#+-=~!\\\"'1.\n\t ax"


@pytest.mark.parametrize("text", ["1. one", "- one", "# one", "<b>", "a|b", "[a](b)", "~~a~~", "a  b", "\\*", "&amp;"])
def test_markdown_in_a_text_is_escaped(text: str) -> None:
    html = render(escaped(text))
    assert html.startswith("<p>")
    assert html.count("<") == 2


@given(st.text(alphabet=SIGNS, min_size=1))
def test_a_cell_stays_one_cell(text: str) -> None:
    html = render("\n".join(table(["a", "b"], [[text, 1_000]])))
    assert html.count("<td>") == 2
    assert html.count("<t") == html.count("<td>") + html.count("<th>") + 5  # table, thead, tbody and two rows
    assert "<td>1,000</td>" in html


def test_a_long_text_is_cut() -> None:
    assert escaped("x" * 100, MAX_CELL) == "x" * MAX_CELL + " …"
