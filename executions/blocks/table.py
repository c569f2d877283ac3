"""Blocks that read comma-separated values: the dialect, the header, the rows, and the type of each column.

The output of `csv.table` is CSV in one dialect, without the bad rows. It is only a little longer than the input; lists
of cells in JSON would be several times as long.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from itertools import count, islice
from typing import Annotated

from pydantic import BaseModel, Field

from executions.blocks.registry import BlockError, BlockInput, LongText, Outputs, block

MAX_CSV_BYTES = 256 * 1024
"""In UTF-8. An event of a node holds its input and outputs, and must stay below the size limit of an event."""
MAX_FIELD = 500  # characters of one cell; the rest is cut off, and counted
MAX_COLUMNS = 100
MAX_NUMBER = 1e60  # squares of larger numbers overflow a float; they are treated as text
DELIMITERS = ",;\t|"

MISSING = frozenset({"", "-", "?", "na", "n/a", "nan", "null", "none", "nil"})
"""Cells, in lower case, that mean a missing value."""

_NUMBER = re.compile(r"[+-]?(?:\d{1,300}(?:\.\d{0,300})?|\.\d{1,300})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,60}", re.ASCII)
_BOOLEANS = ({"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"})
_SAMPLE_ROWS = 100

EXAMPLE = """\
planet,discovered,mass (10^24 kg),diameter (km),gravity (m/s²),distance (Gm),temperature (°C),moons,rings,pressure (bar)
Mercury,,0.33,4879,3.7,57.9,167,0,no,0
Venus,,4.87,12104,8.9,108.2,464,0,no,92
Earth,,5.97,12756,9.8,149.6,15,1,no,1
Mars,,0.642,6792,3.7,228,-65,2,no,0.01
Jupiter,,1898,142984,23.1,778.5,-110,95,yes,n/a
Saturn,,568,120536,9,1432,-140,146,yes,n/a
Uranus,1781-03-13,86.8,51118,8.7,2867,-195,28,yes,n/a
Neptune,1846-09-23,102,49528,11,4515,-200,16,yes,n/a
"""
"""Eight planets with rounded values, and gaps as in real tables."""


class Column(BaseModel):
    name: str
    type: str
    count: int
    missing: int
    distinct: int


class TableInput(BlockInput):
    csv: Annotated[str, LongText(MAX_CSV_BYTES, ".csv,.tsv,.txt,text/csv,text/tab-separated-values")] = Field(
        title="CSV",
        description="Values divided by commas, semicolons, tabs or bars, with a header; at most 256 KB.",
        examples=[EXAMPLE],
    )


class NormalInput(BlockInput):
    table: str = Field(max_length=4 * MAX_CSV_BYTES)


@block("csv.table", title="Table", description="Reads CSV: finds the dialect and the header, counts bad rows.")
def table(data: TableInput) -> Outputs:
    text = data.csv.removeprefix("\ufeff")
    if not text.strip():
        raise BlockError("The CSV is empty.")
    delimiter = _delimiter(text)
    first, *rest = [*_rows(text, delimiter)] or [(0, [])]
    if not first[1]:
        raise BlockError("There is no row in it.")
    if len(first[1]) > MAX_COLUMNS:
        raise BlockError(f"There are {len(first[1]):,} columns; {MAX_COLUMNS} are the most.")
    has_header = not any(is_number(cell) for cell in first[1])
    header = _names(first[1] if has_header else [""] * len(first[1]))
    rows = rest if has_header else [first, *rest]
    good = [cells for _, cells in rows if len(cells) == len(header)]
    bad = [(line, len(cells)) for line, cells in rows if len(cells) != len(header)]
    if not good:
        raise BlockError("There is a header and no row that fits it." if bad else "There is a header and no row.")
    cut = sum(len(cell) > MAX_FIELD for cells in good for cell in cells)
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerows([[_cut(_normal(cell)) for cell in cells] for cells in (header, *good)])
    return {
        "table": [written.getvalue()],
        "delimiter": [delimiter],
        "has_header": [has_header],
        "row_count": [len(good)],
        "bad_rows": [len(bad)],
        "bad_examples": [f"line {line}: {count} fields, not {len(header)}" for line, count in bad[:5]],
        "cut_fields": [cut],
    }


def _delimiter(text: str) -> str:
    """The delimiter with which most of the first rows have the same number of fields, above one."""

    def fit(delimiter: str) -> tuple[float, int]:
        counts = Counter(len(cells) for _, cells in islice(_rows(text, delimiter), _SAMPLE_ROWS))
        width, rows = max(counts.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
        return (rows / counts.total(), width) if width > 1 else (0.0, 0)

    return max(DELIMITERS, key=fit)  # of equal ones, the first


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, each with the number of its last line."""
    # An unclosed field holds the rest of the text, which has its own limit.
    csv.field_size_limit(max(csv.field_size_limit(), 4 * MAX_CSV_BYTES))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells) or len(cells) > 1:
                yield reader.line_num, cells
    except csv.Error as error:
        raise BlockError(f"Line {reader.line_num} cannot be read as CSV: {error}.") from None


def _names(cells: list[str]) -> list[str]:
    """A unique name for each column."""
    names: list[str] = []
    for number, cell in enumerate(cells, 1):
        name = " ".join(cell.split())[:MAX_FIELD] or f"column {number}"
        spellings = (name if repeat == 1 else f"{name} ({repeat})" for repeat in count(1))
        names.append(next(each for each in spellings if each not in names))
    return names


def _normal(cell: str) -> str:
    """The cell with line ends \\n. The writer does not quote a lone \\r, but the reader ends the row at it."""
    return cell.strip().replace("\r\n", "\n").replace("\r", "\n")


def _cut(cell: str) -> str:
    return cell if len(cell) <= MAX_FIELD else cell[: MAX_FIELD - 1] + "…"


@block("csv.types", title="Types", description="Says of each column what it holds, and how much of it is missing.")
def types(data: NormalInput) -> Outputs:
    columns = []
    for name, cells in columns_of(data.table).items():
        values = present(cells)
        columns.append(
            {
                "name": name,
                "type": type_of(values),
                "count": len(values),
                "missing": len(cells) - len(values),
                "distinct": len(set(values)),
            }
        )
    return {"columns": columns}


def columns_of(normal: str) -> dict[str, list[str]]:
    """The cells of a table of `csv.table`, by column name. Raises BlockError for another table."""
    rows = [cells for _, cells in _rows(normal, ",")]
    if not rows or len(set(rows[0])) != len(rows[0]) or any(len(cells) != len(rows[0]) for cells in rows):
        raise BlockError("The table is not one that the block “Table” wrote.")
    return {name: [cells[index] for cells in rows[1:]] for index, name in enumerate(rows[0])}


def present(cells: list[str]) -> list[str]:
    return [cell for cell in cells if not is_missing(cell)]


def is_missing(cell: str) -> bool:
    return cell.strip().lower() in MISSING


def is_number(cell: str) -> bool:
    cell = cell.strip()
    return bool(_NUMBER.fullmatch(cell)) and abs(float(cell)) <= MAX_NUMBER


def type_of(values: list[str]) -> str:
    """The narrowest type of all values: empty, integer, decimal, yes or no, date, time, text."""
    if not values:
        return "empty"
    if all(map(is_number, values)):
        return "integer" if all(map(_INTEGER.fullmatch, values)) else "decimal"
    lowered = {value.lower() for value in values}
    if any(lowered <= words for words in _BOOLEANS):
        return "yes or no"
    if all(_is_of(date, value) for value in values):
        return "date"
    return "time" if all(_is_of(datetime, value) for value in values) else "text"


def _is_of(kind: type[date], value: str) -> bool:
    try:
        kind.fromisoformat(value)
    except ValueError:
        return False
    return True
