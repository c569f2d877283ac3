"""The analysis of a table: statistics, correlations, the report."""

from typing import Any

import pytest

from executions.blocks.registry import BlockError, Outputs, find_block
from executions.blocks.table import EXAMPLE, MAX_CSV_BYTES
from executions.web.markdown_report import render

pytestmark = pytest.mark.once


def run(block_id: str, **data: Any) -> Outputs:
    found = find_block(f"csv.{block_id}")
    assert found
    return found.run(data)


def typed(text: str) -> dict[str, Any]:
    table = run("table", csv=text)["table"][0]
    return {"table": table, **run("types", table=table)}


def report(text: str) -> str:
    found = run("table", csv=text)
    columns = run("types", table=found["table"][0])["columns"]
    said: str = run(
        "report",
        **{name: found[name][0] for name in ("delimiter", "has_header", "row_count", "bad_rows", "cut_fields")},
        bad_examples=found["bad_examples"],
        columns=columns,
        **run("statistics", table=found["table"][0], columns=columns),
        **run("correlations", table=found["table"][0], columns=columns),
    )["report"][0]
    return said


def test_columns_of_numbers_have_statistics() -> None:
    (figures,) = run("statistics", **typed("n\n2\n4\nn/a\n4\n6\n"))["numbers"]

    assert figures.pop("deviation") == pytest.approx(1.632993)
    assert figures == {"name": "n", "mean": 4, "least": 2, "lower": 3.5, "median": 4, "upper": 4.5, "greatest": 6}


def test_a_single_number_has_statistics() -> None:
    (figures,) = run("statistics", **typed("n\n7\n"))["numbers"]

    assert set(figures.values()) == {"n", 7.0, 0.0}


def test_other_values_have_frequencies() -> None:
    found = run("statistics", **typed("w,d\nb,2020-01-02\na,2019-01-02\nb,\n"))["words"]

    assert found == [
        {"name": "w", "first": "a", "last": "b", "frequent": [("b", 2), ("a", 1)]},
        {"name": "d", "first": "2019-01-02", "last": "2020-01-02", "frequent": [("2019-01-02", 1), ("2020-01-02", 1)]},
    ]


def test_correlations_are_listed_strongest_first() -> None:
    found = run("correlations", **typed("a,b,c,w\n1,2,9,x\n2,4,7,y\n3,6,8,z\n4,,1,\n"))["correlations"]

    assert found[0] == {"one": "a", "other": "b", "coefficient": 1.0, "rows": 3}
    assert [(each["one"], each["other"], each["rows"]) for each in found[1:]] == [("a", "c", 4), ("b", "c", 3)]
    assert found[1]["coefficient"] == pytest.approx(-0.826)


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,1\n2,1\n3,1\n",  # constant
        "a,b\n1,1\n2,2\n",  # too few rows
        "a,b\n1e-200,1e-200\n2e-200,2e-200\n3e-200,1e-200\n",  # squares underflow
    ],
)
def test_columns_without_a_correlation_are_not_listed(text: str) -> None:
    assert run("correlations", **typed(text))["correlations"] == []


@pytest.mark.parametrize("large", ["1e60", "-1e60"])
def test_statistics_of_very_large_numbers_are_finite(large: str) -> None:
    data = typed(f"a,b\n{large},1\n1,{large}\n0,0\n{large},3\n")

    assert run("statistics", **data)["numbers"]
    assert run("correlations", **data)["correlations"]


def test_only_the_first_of_many_columns_are_correlated() -> None:
    width = 100
    row = ",".join("7" for _ in range(width)) + "\n"
    text = ",".join(f"c{number}" for number in range(width)) + "\n" + row * ((MAX_CSV_BYTES - 600) // len(row))

    assert run("correlations", **typed(text))["left_out"] == ["correlations of 70 more columns"]


def test_the_report_of_the_example_has_all_parts() -> None:
    text = report(EXAMPLE)

    assert "8 rows of 10 columns, divided by commas, with a header." in text
    assert "| discovered | date | 2 | 6 (75%) | 2 |" in text
    assert "| moons | 36 | " in text
    assert "| rings | no | yes | no (4), yes (4) |" in text
    assert "| diameter (km) | moons | \\+0.919 | 8 |" in text
    assert text.endswith("## Left out\n\nNothing.\n")


def test_the_report_names_omissions() -> None:
    text = report(f"a;b\n1;2\n3\n{'x' * 600};5\n")

    assert "divided by semicolons" in text
    assert "- 1 bad rows (line 3: 1 fields, not 2)" in text
    assert "- the ends of 1 very long fields" in text


def test_hostile_cells_are_escaped() -> None:
    html = render(report('<b>a</b>,"x|y\n# z"\n<img src=x onerror=alert(1)>,[a](javascript:b)\n=1+1,"`c` | d"\n'))

    assert "&lt;b&gt;a&lt;/b&gt;" in html
    assert "x|y # z" in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert "[a](javascript:b) (1)" in html
    for tag in ("<b>", "<img", "<a", "<code"):
        assert tag not in html


@pytest.mark.parametrize("cell", ["a", "inf", "1e400", "nan?"])
def test_types_of_another_table_are_refused(cell: str) -> None:
    columns = [{"name": name, "type": "decimal", "count": 1, "missing": 0, "distinct": 1} for name in "ab"]
    for block_id in ("statistics", "correlations"):
        with pytest.raises(BlockError, match="types of the columns are those of another table"):
            run(block_id, table=f"a,b\n1,{cell}\n", columns=columns)
