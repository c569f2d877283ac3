"""The tables of metrics: every name is used, every used name is in them, and all are as Prometheus wants them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime.metrics.definitions import COUNTERS, GAUGES, HISTOGRAMS, REFUSALS, STORED_GAUGES, help_of, rows
from realtime.throttling import ReachedCap
from realtime.wire.close_codes import CloseCode

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[3]
# By what a name that is put together at run time may be.
PUT_TOGETHER = {
    "f'refused_http_{reached}'": {"refused_http_process", "refused_http_address"},
    "'refused_host' if isinstance(refused, ForeignHost) else 'refused_origin'": {"refused_host", "refused_origin"},
    "f'refused_{reached}'": {f"refused_{cap}" for cap in ReachedCap},
    "f'refused_{int(refused.code)}'": {
        f"refused_{int(code)}" for code in (CloseCode.NO_CREDENTIALS, CloseCode.UNKNOWN_USER, CloseCode.BAD_TOKEN)
    },
    "f'revoked_{int(refusal.code)}'": {
        f"revoked_{int(code)}" for code in (CloseCode.NO_CREDENTIALS, CloseCode.BAD_TOKEN)
    },
    "self.counter": {
        *("throttled_logins", "throttled_requests", "throttled_tokens", "throttled_shares", "refused_log_bytes"),
    },
}


def calls(function: str) -> Iterator[ast.Call]:
    """The calls of this function of `realtime.metrics` in the program."""
    for path in sorted((ROOT / "realtime").rglob("*.py")):
        tree = ast.parse(path.read_text())
        imported = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("realtime.metrics")
            for alias in node.names
        }
        if function in imported or path.match("realtime/metrics/values.py"):
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function:
                    yield node


def counted_names() -> set[str]:
    names: set[str] = set()
    for call in calls("count"):
        name = call.args[0]
        names |= {name.value} if isinstance(name, ast.Constant) else PUT_TOGETHER[ast.unparse(name)]
    return names


def test_every_counted_name_is_defined_and_every_definition_is_counted() -> None:
    assert counted_names() == {*COUNTERS, *REFUSALS}


def test_every_observed_histogram_is_defined_and_every_definition_is_observed() -> None:
    observed = {call.args[0].value for call in calls("observe") if isinstance(call.args[0], ast.Constant)}
    assert observed == set(HISTOGRAMS)


def test_no_name_is_defined_twice() -> None:
    names = [row.name for row in rows()]
    assert len(set(names)) == len(names)
    tables = [COUNTERS, REFUSALS, HISTOGRAMS, GAUGES, STORED_GAUGES]
    assert len({name for table in tables for name in table}) == sum(map(len, tables))
    assert len({refusal.cause for refusal in REFUSALS.values()}) == len(REFUSALS)


def test_names_are_as_prometheus_wants_them() -> None:
    for row in rows():
        assert re.fullmatch(r"runwire_[a-z]+(_[a-z]+)*", row.name)
        assert row.name.endswith("_total") == (row.kind == "counter")
        assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|percent)(_|$)", row.name)  # base units only


def test_texts_are_sentences_without_a_line_break() -> None:
    for text in [*(row.help for row in rows()), *(help_of(name) for name in (*COUNTERS, *REFUSALS))]:
        assert re.fullmatch(r"[A-Z1][^\n|]+\.", text), text
