"""Untrusted text is escaped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.blocks.markdown import MAX_CELL, check_tables, escaped, table, table_cells
from executions.web.markdown_report import render

pytestmark = pytest.mark.once

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


def test_the_cells_of_tables_are_counted_as_the_parser_makes_them() -> None:
    text = "| a | b |\n|---|---|\n| 1 |\n|\n\nno table | here\n\n- | a | b |\n  |:-:|--|\n  | 1 | 2 |\n"
    assert table_cells("no table\nat all - 1|2") == 0
    assert table_cells(text) >= rendered_cells(text) == 14 - 4


@given(st.text(alphabet="|-: \n>a*\t", max_size=200))
def test_no_text_has_more_cells_than_are_counted(text: str) -> None:
    assert table_cells(text) >= rendered_cells(text)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("other", ["\v", "\f", "\x85", "\u2028", "\u00a0"])
def test_only_the_line_ends_of_markdown_end_a_line(end: str, other: str) -> None:
    text = end.join(["|a|b|c|", f"|-|{' '}-|-|", "|", f"|{other}|", other, "|", "|", ""])
    assert table_cells(text) >= rendered_cells(text) > 0


def test_too_many_cells_are_refused() -> None:
    check_tables("|a|b|\n|-|-|\n" + "|\n" * 4_900)
    with pytest.raises(ValueError, match=r"tables of up to 24,\d\d\d cells, and 20,000 are the most"):
        check_tables("|a|b|c|\n|-|-|-|\n" + "|\n" * 4_900)


def rendered_cells(text: str) -> int:
    html = render(text)
    return html.count("<td>") + html.count("<th>")
