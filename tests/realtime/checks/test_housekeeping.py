"""E006, W010, W011: the settings of the housekeeping."""

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from tests.realtime.checks.conftest import found, ids


@pytest.mark.parametrize("age", ["30d", "12h", timedelta(days=1), None])
def test_an_age_is_a_text_a_timedelta_or_none(production: Settings, age: Any) -> None:
    production.REALTIME |= {"RETENTION": {"graph": age}}
    assert found() == []


@pytest.mark.parametrize("age", ["30", "a month", 30, timedelta(), "-1d", "9999999d"])
def test_e006_an_age_that_cannot_be_read(production: Settings, age: Any) -> None:
    production.REALTIME |= {"RETENTION": {"graph": age}}
    (message,) = found()
    assert message.id == "realtime.E006"
    assert message.msg.startswith(f"REALTIME[\"RETENTION\"]['graph']: {age!r} is no age.")
    assert '"30d"' in str(message.hint)


@pytest.mark.parametrize(("kind", "hint"), [("graph_execs", "Did you mean graph"), ("7", "Kinds are graph")])
def test_e006_an_unknown_kind(production: Settings, kind: str, hint: str) -> None:
    production.REALTIME |= {"RETENTION": {kind: "30d"}}
    (message,) = found()
    assert message.id == "realtime.E006"
    assert str(message.hint).startswith(hint)


def test_w011_a_kind_of_another_app_without_an_age(production: Settings) -> None:
    access = {"STREAM_ACCESS": {"orders": "shop.access.orders"}}
    production.REALTIME |= access
    assert ids() == ["realtime.W011"]
    for age in ("7d", None):
        production.REALTIME |= {"RETENTION": {"orders": age}}
        assert ids() == []


def test_e006_an_unknown_place(production: Settings) -> None:
    production.REALTIME |= {"HOUSEKEEPING": "cron"}
    (message,) = found()
    assert message.id == "realtime.E006"
    assert '"command"' in str(message.hint)


@pytest.mark.parametrize(("where", "expected"), [("server", []), ("command", []), ("off", ["realtime.W010"])])
def test_w010_the_housekeeping_is_off(production: Settings, where: str, expected: list[str]) -> None:
    production.REALTIME |= {"HOUSEKEEPING": where}
    assert ids() == expected


@pytest.mark.parametrize("wrong", [{"RETENTION": ["graph"]}, {"HOUSEKEEPING": 7}, {"HOUSEKEEPING_SHARE": 1.5}])
def test_e003_values_of_a_wrong_type_or_range(production: Settings, wrong: dict[str, Any]) -> None:
    production.REALTIME |= wrong
    assert "realtime.E003" in ids()
