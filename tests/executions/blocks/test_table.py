"""Reading CSV: the dialect, the header, bad rows, and the types of columns."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from executions.blocks.registry import BlockError, Outputs, find_block
from executions.blocks.table import EXAMPLE, MAX_COLUMNS, MAX_CSV_BYTES, MAX_FIELD, columns_of, type_of

pytestmark = pytest.mark.once


def run(block_id: str, **data: Any) -> Outputs:
    found = find_block(f"csv.{block_id}")
    assert found
    return found.run(data)


def columns(text: str) -> dict[str, list[str]]:
    return columns_of(run("table", csv=text)["table"][0])


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_delimiter_is_detected(delimiter: str, end: str) -> None:
    lines = [
        ("name", "said"),
        ("Ada", '"a, b; c"'),
        ("Bob", '"he said ""so""\nand went"'),
        ("", "x|y" if delimiter != "|" else "x"),
    ]

    found = run("table", csv=end.join(map(delimiter.join, lines)))

    assert found["delimiter"] == [delimiter]
    assert (found["row_count"], found["bad_rows"]) == ([3], [0])
    assert columns_of(found["table"][0])["said"][:2] == ["a, b; c", 'he said "so"\nand went']


def test_one_column_is_a_table() -> None:
    assert columns("number\n1\n\n2\n") == {"number": ["1", "2"]}


def test_a_byte_order_mark_and_spaces_are_ignored() -> None:
    assert columns('\ufeff a , b\n 1 , "2"\n') == {"a": ["1"], "b": ["2"]}


def test_a_first_row_with_numbers_is_not_a_header() -> None:
    found = run("table", csv="1,a\n2,b\n")

    assert (found["has_header"], found["row_count"]) == ([False], [2])
    assert columns_of(found["table"][0]) == {"column 1": ["1", "2"], "column 2": ["a", "b"]}


def test_column_names_are_unique() -> None:
    assert list(columns("a,a,,a (2),a\n1,2,3,4,5\n")) == ["a", "a (2)", "column 3", "a (2) (2)", "a (3)"]


def test_bad_rows_are_counted_and_skipped() -> None:
    found = run("table", csv='a,b\n1,2\n3\n4,5,6\n"7\n",8\n9,"never closed\n10,11\n')

    assert found["row_count"] == [3]
    assert found["bad_rows"] == [2]
    assert found["bad_examples"] == ["line 3: 1 fields, not 2", "line 4: 3 fields, not 2"]


def test_long_fields_are_cut_and_counted() -> None:
    found = run("table", csv=f"a,b\n{'x' * 200_000},2\n")

    assert found["cut_fields"] == [1]
    assert columns_of(found["table"][0])["a"] == ["x" * (MAX_FIELD - 1) + "…"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The CSV is empty."),
        (" \n\n", "The CSV is empty."),
        ('""', "There is no row in it."),
        ("a,b\n", "There is a header and no row."),
        ("a,b\n1\n", "There is a header and no row that fits it."),
        (",".join("x" * 101), f"There are 101 columns; {MAX_COLUMNS} are the most."),
        ("x" * (MAX_CSV_BYTES + 1), "csv: it is 256 KB long; 256 KB are the most."),
    ],
)
def test_a_text_that_is_not_a_table_is_refused(text: str, message: str) -> None:
    with pytest.raises(BlockError) as caught:
        run("table", csv=text)
    assert str(caught.value) == message


@pytest.mark.parametrize("piece", ['"', '",', ",", '""\n', "a,b\n", "\r", ' "', "\\", "a\tb|c;d,e\n", "1\n"])
def test_hostile_tables_are_read_in_time(piece: str) -> None:
    text = f"a,b\n{piece * ((MAX_CSV_BYTES - 10) // len(piece))}"
    try:
        found = run("table", csv=text)
    except BlockError:
        return
    assert run("types", table=found["table"][0])["columns"]


@given(st.text(alphabet="ab1\",;\n\r\t| \\'", min_size=1))
@example('a,b\n1,"x\ry"')
@example('a,b\n1,"x\r\ny"\n"\r",2')
def test_the_normalised_table_reads_back_unchanged(text: str) -> None:
    try:
        found = run("table", csv=text)
    except BlockError:
        return
    cells = columns_of(found["table"][0])
    assert {len(each) for each in cells.values()} == {found["row_count"][0]}


@pytest.mark.parametrize(
    ("values", "type"),
    [
        ([], "empty"),
        (["1", "-2", "+3"], "integer"),
        (["1", "2.5", ".5", "1e3", "-3."], "decimal"),
        (["1", "2,5"], "text"),
        (["inf"], "text"),
        (["1e999"], "text"),
        (["9" * 400], "text"),
        (["٣"], "text"),
        (["yes", "No"], "yes or no"),
        (["true", "false", "true"], "yes or no"),
        (["yes", "true"], "text"),
        (["1846-09-23"], "date"),
        (["1846-09-23", "1846-02-30"], "text"),
        (["1846-09-23T12:00:00", "1846-09-23 12:00:00+02:00"], "time"),
        (["<script>"], "text"),
    ],
)
def test_a_column_has_the_narrowest_type_of_all_its_values(values: list[str], type: str) -> None:
    assert type_of(values) == type


def test_missing_values_are_counted_separately() -> None:
    found = run("types", table=run("table", csv="a,b\n1,n/a\nNULL,\n3,-\n1,NaN\n")["table"][0])

    assert found["columns"] == [
        {"name": "a", "type": "integer", "count": 3, "missing": 1, "distinct": 2},
        {"name": "b", "type": "empty", "count": 0, "missing": 4, "distinct": 0},
    ]


def test_the_example_has_every_type_of_column() -> None:
    found = run("types", table=run("table", csv=EXAMPLE)["table"][0])

    assert {each["type"] for each in found["columns"]} == {"text", "date", "decimal", "integer", "yes or no"}
    assert any(each["missing"] for each in found["columns"])


def test_a_table_of_another_block_is_refused() -> None:
    for text in ("", "a,a\n1,2\n", "a,b\n1\n"):
        with pytest.raises(BlockError, match="not one that the block “Table” wrote"):
            run("types", table=text)
