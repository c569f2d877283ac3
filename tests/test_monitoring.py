"""Metrics, documentation, alert rules and the Grafana board agree. promtool checks the rules where it is installed."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from realtime.http.exposition import render
from realtime.metrics.definitions import REFUSALS, rows
from tests.metrics_page import PAGE, with_tables

pytestmark = pytest.mark.once

DOCS = PAGE.parent
RULES = DOCS / "alerts.yml"
SERIES = re.compile(r"\b(?:runwire|process|python)_[a-z_]+\b")


def exposed() -> set[str]:
    """The names of all series: a histogram has three."""
    suffixes = {"histogram": ("_bucket", "_sum", "_count")}
    own = {row.name + suffix for row in rows() for suffix in suffixes.get(row.kind, ("",))}
    _, body = render("", {}, True)
    foreign = {line.split()[2] for line in body.decode().splitlines() if line.startswith("# TYPE p")}
    return own | foreign


def alerts() -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml", reason="pyyaml is not installed: pip install -r requirements-dev.txt")
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def board() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((DOCS / "grafana.json").read_text())
    return loaded


def panels() -> list[dict[str, Any]]:
    return [panel for panel in board()["panels"] if panel["type"] != "row"]


def targets() -> Iterator[dict[str, Any]]:
    for panel in panels():
        yield from panel["targets"]


# The documentation


def test_the_page_has_every_metric_with_its_text() -> None:
    """`python -m tests.metrics_page` writes the tables."""
    assert PAGE.read_text() == with_tables(PAGE.read_text())


def test_the_page_names_only_metrics_that_exist() -> None:
    documented = set(re.findall(r"`((?:runwire|process|python)_[a-z_]+)`", PAGE.read_text()))
    assert documented - {row.name for row in rows()} - exposed() == set()


def test_every_metric_that_is_exposed_is_documented() -> None:
    assert {row.name for row in rows()} - set(re.findall(r"^\| `([a-z_]+)` \|", PAGE.read_text(), re.M)) == set()
    foreign = {name for name in exposed() if not name.startswith("runwire_")}
    assert {name for name in foreign if f"`{name}`" not in PAGE.read_text()} == set()


def test_operations_names_only_metrics_that_exist() -> None:
    named = set(re.findall(r"`(runwire_[a-z_]+)`", (DOCS / "operations.md").read_text()))
    assert named - {row.name for row in rows()} - exposed() == set()


# The alerts


def test_an_alert_uses_metrics_that_exist() -> None:
    used = {name for alert in alerts() for name in SERIES.findall(alert["expr"])}
    assert used - exposed() == set()
    assert len(used) > 15


def test_an_alert_has_a_section_with_its_cure() -> None:
    text = (DOCS / "operations.md").read_text()
    sections = re.findall(r"^#### (Runwire\w+)\n\n(.+?)(?=\n\n#)", text, re.M | re.DOTALL)
    assert sorted(name for name, _ in sections) == sorted(alert["alert"] for alert in alerts())
    assert [name for name, cure in sections if len(cure.split()) < 15] == []


def test_the_cure_for_attacks_names_each_of_their_causes() -> None:
    (expression,) = [alert["expr"] for alert in alerts() if alert["alert"] == "RunwireAttack"]
    (watched,) = re.findall(r'cause=~"([^"]+)"', expression)
    causes = {each.cause for each in REFUSALS.values()}
    unknown = [word for word in watched.split("|") if not any(re.fullmatch(word, cause) for cause in causes)]
    assert unknown == []
    found = {cause for cause in causes if re.fullmatch(watched, cause)}
    assert found >= {"host", "logins", "body_timeout", "slow_http_reader"}
    cure = (DOCS / "operations.md").read_text().partition("#### RunwireAttack\n")[2].partition("\n#")[0]
    assert {cause for cause in found if f"`{cause}`" not in cure} == set()


def test_an_alert_says_how_severe_it_is_and_what_it_means() -> None:
    for alert in alerts():
        assert alert["labels"]["severity"] in ("critical", "warning", "info")
        assert alert["annotations"]["summary"]


@pytest.mark.parametrize("words", [["check", "rules", "docs/alerts.yml"], ["test", "rules", "tests/alerts_test.yml"]])
def test_promtool_accepts_the_rules(words: list[str]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: install prometheus (apt, brew)")
    run = subprocess.run([promtool, *words], cwd=PAGE.parents[1], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


# The board


def test_the_board_uses_metrics_that_exist() -> None:
    used = {name for target in targets() for name in SERIES.findall(target["expr"])}
    assert used - exposed() == set()


def test_the_board_shows_every_metric() -> None:
    shown = " ".join(target["expr"] for target in targets())
    assert {row.name for row in rows() if row.name not in shown} == set()


def test_every_query_is_about_the_chosen_processes() -> None:
    for target in targets():
        selectors = re.findall(r"\b(?:runwire|process|up)[a-z_]*\{([^}]*)\}", target["expr"])
        assert selectors
        assert all('job=~"$job",instance=~"$instance"' in selector for selector in selectors)


def test_counters_are_shown_as_rates_and_quantiles_by_their_buckets() -> None:
    counters = {row.name for row in rows() if row.kind == "counter"} | {"process_cpu_seconds_total"}
    for target in targets():
        expression = target["expr"]
        for name in SERIES.findall(expression):
            if name in counters or name.endswith(("_bucket", "_count")):
                assert re.search(rf"(rate|increase)\({name}\{{", expression)
        if "histogram_quantile" in expression:
            assert re.search(r"sum by \(le[,)]", expression)


def test_the_board_can_be_imported() -> None:
    loaded = board()
    ids = [panel["id"] for panel in loaded["panels"]]
    assert len(set(ids)) == len(ids)
    assert (loaded["id"], loaded["uid"], loaded["schemaVersion"]) == (None, "runwire", 39)
    assert [variable["name"] for variable in loaded["templating"]["list"]] == ["datasource", "job", "instance"]
    for each in [*panels(), *targets()]:
        assert each["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_each_panel_has_a_title_a_text_and_a_unit() -> None:
    titles = [panel["title"] for panel in panels()]
    assert len(set(titles)) == len(titles)
    for panel in panels():
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"] in ("none", "short", "s", "ops", "bytes", "Bps", "percentunit")
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) > 0


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board()["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken
        taken |= cells
