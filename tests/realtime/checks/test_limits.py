"""The checks of the limits."""

import pytest
from pytest_django import Settings

from tests.realtime.checks.conftest import found, ids


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SWEEP_INTERVAL", 0),
        ("SWEEP_INTERVAL", -1),
        ("SWEEP_INTERVAL", "2"),
        ("SWEEP_INTERVAL", None),
        ("SWEEP_INTERVAL", float("inf")),
        ("SWEEP_INTERVAL", float("nan")),
        ("DB_THREADS", 1.5),
        ("DB_THREADS", True),
        ("GAP_WAIT", -0.1),
        ("REJOIN_INTERVAL", 61),
        ("ALLOWED_ORIGINS", "https://runwire.example.com"),
        ("SNAPSHOT_LIMIT", 10_001),
        ("MAX_INLINE_BYTES", 1024 * 1024 + 1),
    ],
)
def test_a_limit_of_a_wrong_type_or_range_is_an_error(production: Settings, name: str, value: object) -> None:
    production.REALTIME[name] = value
    [message] = found()
    assert message.id == "realtime.E003"
    assert name in message.msg


def test_limits_in_range_pass(production: Settings) -> None:
    production.REALTIME |= {"SWEEP_INTERVAL": 1, "GAP_WAIT": 0, "DB_THREADS": 4, "REJOIN_INTERVAL": 60}
    assert found() == []


def test_an_unknown_limit_is_an_error_that_names_the_nearest(production: Settings) -> None:
    production.REALTIME["SWEEP_INTERVALL"] = 1
    [message] = found()
    assert (message.id, message.hint) == ("realtime.E003", "Did you mean SWEEP_INTERVAL?")


def test_each_wrong_limit_is_reported(production: Settings) -> None:
    production.REALTIME |= {"GAP_WAIT": "soon", "DB_THREADS": 0}
    assert ids() == ["realtime.E003", "realtime.E003"]


def test_limits_that_are_not_a_dict_are_an_error(production: Settings) -> None:
    production.REALTIME = [("GAP_WAIT", 1)]
    assert ids() == ["realtime.E003"]


@pytest.mark.parametrize(
    "origin",
    [
        "runwire.example.com",
        "//runwire.example.com",
        "https://runwire.example.com/app",
        "https://*.example.com",
        "ws://runwire.example.com",
        "*",
        "null",
    ],
)
def test_an_origin_that_no_browser_sends_is_an_error(production: Settings, origin: str) -> None:
    production.REALTIME = {"ALLOWED_ORIGINS": ["https://runwire.example.com", origin]}
    assert ids() == ["realtime.E004"]


@pytest.mark.parametrize("origin", ["http://localhost:5173", "https://[::1]:8443"])
def test_an_origin_with_a_port_passes(production: Settings, origin: str) -> None:
    production.REALTIME = {"ALLOWED_ORIGINS": [origin]}
    assert found() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("SECURE_PROXY_SSL_HEADER", ("HTTP_X_FORWARDED_PROTO", "https")), ("USE_X_FORWARDED_HOST", True)],
)
def test_a_proxy_and_no_allowed_origin_is_a_warning(production: Settings, name: str, value: object) -> None:
    production.SECURE_PROXY_SSL_HEADER = None
    production.REALTIME = {}
    setattr(production, name, value)
    assert ids() == ["realtime.W003"]
