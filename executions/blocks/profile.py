"""Blocks that analyse a table of `table.py`: statistics, correlations, the report."""

import statistics
from collections import Counter
from itertools import combinations
from typing import Any

from pydantic import BaseModel, Field, FiniteFloat

from executions.blocks.markdown import escaped, table
from executions.blocks.registry import BlockError, BlockInput, Outputs, block
from executions.blocks.table import MAX_COLUMNS, Column, NormalInput, columns_of, is_missing, is_number, present
from executions.validation import quoted

MAX_CORRELATED = 30  # columns, which make 435 pairs
MIN_PAIRS = 3  # rows; two points always lie on a line
NUMBERS = ("integer", "decimal")


class Typed(NormalInput):
    columns: list[Column] = Field(max_length=MAX_COLUMNS)


class CorrelationsInput(Typed):
    most: int = Field(default=10, ge=1, le=500, description="How many of the strongest are kept.")


class NumberFigures(BaseModel):
    name: str
    mean: FiniteFloat
    deviation: FiniteFloat
    least: FiniteFloat
    lower: FiniteFloat
    median: FiniteFloat
    upper: FiniteFloat
    greatest: FiniteFloat


class WordFigures(BaseModel):
    name: str
    first: str
    last: str
    frequent: list[tuple[str, int]]


class Correlation(BaseModel):
    one: str
    other: str
    coefficient: FiniteFloat
    rows: int


class ReportInput(BlockInput):
    delimiter: str
    has_header: bool
    row_count: int
    bad_rows: int
    bad_examples: list[str]
    cut_fields: int
    columns: list[Column]
    numbers: list[NumberFigures]
    words: list[WordFigures]
    correlations: list[Correlation]
    left_out: list[str]


@block(
    "csv.statistics", title="Statistics", description="Mean, spread and quartiles of numbers; frequent other values."
)
def statistics_(data: Typed) -> Outputs:
    cells = columns_of(data.table)
    numbers: list[dict[str, Any]] = []
    words: list[dict[str, Any]] = []
    for column in data.columns:
        values = present(cells.get(column.name, []))
        if not values:
            continue
        if column.type in NUMBERS:
            numbers.append({"name": column.name, **_figures([_number(value) for value in values])})
        else:
            frequent = sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))[:5]
            words.append({"name": column.name, "first": min(values), "last": max(values), "frequent": frequent})
    return {"numbers": numbers, "words": words}


def _number(cell: str) -> float:
    if not is_number(cell):
        raise BlockError(f"“{quoted(cell)}” is no number: the types of the columns are those of another table.")
    return float(cell)


def _figures(values: list[float]) -> dict[str, float]:
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return {
        "mean": statistics.fmean(values),
        "deviation": statistics.stdev(values) if len(values) > 1 else 0.0,
        "least": min(values),
        "lower": lower,
        "median": median,
        "upper": upper,
        "greatest": max(values),
    }


@block(
    "csv.correlations", title="Correlations", description="Which columns of numbers rise and fall together (Pearson)."
)
def correlations(data: CorrelationsInput) -> Outputs:
    cells = columns_of(data.table)
    names = [column.name for column in data.columns if column.type in NUMBERS and column.name in cells]
    numbers = {
        name: [None if is_missing(cell) else _number(cell) for cell in cells[name]] for name in names[:MAX_CORRELATED]
    }
    found = []
    for one, other in combinations(numbers, 2):
        pairs = [(x, y) for x, y in zip(numbers[one], numbers[other], strict=True) if x is not None and y is not None]
        coefficient = _correlation([x for x, _ in pairs], [y for _, y in pairs])
        if coefficient is not None:
            found.append({"one": one, "other": other, "coefficient": coefficient, "rows": len(pairs)})
    found.sort(key=lambda each: -abs(each["coefficient"]))  # type: ignore[arg-type]
    left_out = [f"correlations of {len(names) - MAX_CORRELATED} more columns"] if len(names) > MAX_CORRELATED else []
    return {"correlations": found[: data.most], "left_out": left_out}


def _correlation(one: list[float], other: list[float]) -> float | None:
    """Pearson's r. None for too few rows, or for a constant column."""
    if len(one) < MIN_PAIRS:
        return None
    try:
        return round(max(-1.0, min(1.0, statistics.correlation(one, other))), 3)
    except (statistics.StatisticsError, ZeroDivisionError, OverflowError):
        return None


@block("csv.report", title="Report", description="Joins what the branches found to a report in Markdown.")
def report(data: ReportInput) -> Outputs:
    divided = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}.get(data.delimiter, "other signs")
    text = [
        "# CSV profile",
        "",
        f"{data.row_count:,} rows of {len(data.columns):,} columns, divided by {divided}, "
        + ("with a header." if data.has_header else "without a header."),
        "",
        "## Columns",
        *table(
            ["Column", "Type", "Values", "Missing", "Different"],
            ([each.name, each.type, each.count, _share(each), each.distinct] for each in data.columns),
        ),
    ]
    if data.numbers:
        parts = ("mean", "deviation", "least", "lower", "median", "upper", "greatest")
        rows = ([each.name, *(_figure(getattr(each, part)) for part in parts)] for each in data.numbers)
        head = ["Column", "Mean", "Deviation", "Least", "Lower quarter", "Median", "Upper quarter", "Greatest"]
        text += ["## Numbers", *table(head, rows)]
    if data.words:
        text += ["## Other values", *table(["Column", "First", "Last", "Most frequent"], map(_words, data.words))]
    if data.correlations:
        pairs = ([each.one, each.other, f"{each.coefficient:+.3f}", each.rows] for each in data.correlations)
        text += ["## Strongest correlations", *table(["Column", "And", "Pearson's r", "Rows"], pairs)]
    left_out = [*data.left_out]
    if data.bad_rows:
        left_out.append(f"{data.bad_rows:,} bad rows ({'; '.join(data.bad_examples)})")
    if data.cut_fields:
        left_out.append(f"the ends of {data.cut_fields:,} very long fields")
    text += ["## Left out", "", *([f"- {escaped(each)}" for each in left_out] or ["Nothing."])]
    return {"report": ["\n".join(text) + "\n"]}


def _figure(value: float) -> str:
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.5g}"


def _share(column: Column) -> str:
    total = column.count + column.missing
    return f"{column.missing:,} ({column.missing / total:.0%})" if column.missing else "0"


def _words(each: WordFigures) -> list[str]:
    frequent = (f"{value if len(value) <= 20 else value[:19] + '…'} ({count:,})" for value, count in each.frequent)
    return [each.name, each.first, each.last, ", ".join(frequent)]
