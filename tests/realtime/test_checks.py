"""Each check reports its mistake with a cure. The embedded default and a good production pass all checks."""

import re
import sqlite3
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.db import connections, models
from pytest_django import Settings

from realtime import checks
from realtime.checks import TAG, TESTED

PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"
HOST = {"address": "redis://redis.internal:6379/0", "socket_timeout": 5, "socket_connect_timeout": 2}
SECRET = "a secret of more than thirty-two bytes"
PUBLIC_KEY = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----"""

DATABASES: dict[str, dict[str, Any]] = {
    "postgres": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "runwire",
        "OPTIONS": {"pool": {"min_size": 0, "max_size": 20}},
    },
    "file": {"ENGINE": "django.db.backends.sqlite3", "NAME": "runwire.sqlite3"},
    "no_database": {"ENGINE": "django.db.backends.dummy"},
}


class Router:
    """Routes all models to one database, except the model `elsewhere`."""

    def __init__(self, alias: str, elsewhere: str = "") -> None:
        self.alias, self.elsewhere = alias, elsewhere

    def db_for_write(self, model: type[models.Model], **hints: Any) -> str:
        return "file" if model.__name__ == self.elsewhere else self.alias


@pytest.fixture
def production(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Correct settings of a production. Each test makes one of them wrong. No check connects to anything."""
    for alias, database in DATABASES.items():
        monkeypatch.setitem(connections.settings, alias, {**database})
    connections.configure_settings(connections.settings)
    settings.DEBUG = False
    settings.DATABASE_ROUTERS = [Router("postgres")]
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": PUBSUB, "CONFIG": {"hosts": [HOST]}}}
    settings.REALTIME = {"ALLOWED_ORIGINS": ["https://runwire.example.com"]}
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.JWT_ALGORITHM, settings.JWT_KEY = "HS256", SECRET
    monkeypatch.setattr(checks, "version", lambda package: TESTED[package][-1])
    yield settings
    for connection in connections.all(initialized_only=True):
        if connection.alias in DATABASES:
            del connections[connection.alias]


def found() -> list[CheckMessage]:
    messages = run_checks(tags=[TAG])
    assert all(message.hint for message in messages), "a message without a cure"
    return messages


def ids() -> list[str | None]:
    return [message.id for message in found()]


def test_a_good_production_passes(production: Settings) -> None:
    assert found() == []


def test_the_embedded_default_passes(production: Settings) -> None:
    production.DEBUG = True
    production.DATABASE_ROUTERS = [Router("file")]
    production.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    production.REALTIME = {"ALLOWED_ORIGINS": []}
    production.SECURE_PROXY_SSL_HEADER = None
    assert found() == []


def test_a_project_without_settings_of_realtime_passes(production: Settings) -> None:
    del production.REALTIME, production.JWT_ALGORITHM, production.JWT_KEY
    production.SECURE_PROXY_SSL_HEADER = None
    assert found() == []


# The database


def test_another_kind_of_database_is_an_error(production: Settings) -> None:
    production.DATABASE_ROUTERS = [Router("no_database")]
    assert ids() == ["realtime.E001"]


def test_an_old_sqlite_is_an_error(production: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    production.DEBUG = True
    production.DATABASE_ROUTERS = [Router("file")]
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    assert ids() == ["realtime.E001"]


@pytest.mark.parametrize("model", ["GraphExecution", "NodeExecution", "Notification", "Stream"])
def test_executions_and_log_in_two_databases_are_an_error(production: Settings, model: str) -> None:
    production.DATABASE_ROUTERS = [Router("postgres", elsewhere=model)]
    [message] = found()
    assert message.id == "realtime.E002"
    assert model in message.msg


def test_sqlite_in_production_is_a_warning(production: Settings) -> None:
    production.DATABASE_ROUTERS = [Router("file")]
    assert ids() == ["realtime.W002"]


@pytest.mark.parametrize("seconds", [60, None])
def test_persistent_connections_are_a_warning(production: Settings, seconds: int | None) -> None:
    connections.settings["postgres"]["CONN_MAX_AGE"] = seconds
    assert ids() == ["realtime.W006"]


def test_a_transaction_around_each_request_passes(production: Settings) -> None:
    connections.settings["postgres"]["ATOMIC_REQUESTS"] = True
    assert found() == []


@pytest.mark.parametrize("pool", [{"min_size": 0, "max_size": 8}, {"min_size": 8}, True])
def test_a_pool_not_larger_than_the_threads_is_a_warning(production: Settings, pool: dict[str, int] | bool) -> None:
    connections.settings["postgres"]["OPTIONS"] = {"pool": pool}
    assert ids() == ["realtime.W008"]


def test_no_pool_passes(production: Settings) -> None:
    connections.settings["postgres"]["OPTIONS"] = {}
    assert found() == []


# The channel layer


@pytest.mark.parametrize("layers", [{"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}, {}])
def test_production_without_a_layer_between_processes_is_a_warning(
    production: Settings, layers: dict[str, Any]
) -> None:
    production.CHANNEL_LAYERS = layers
    assert ids() == ["realtime.W001"]


def test_the_core_redis_layer_is_a_warning(production: Settings) -> None:
    production.CHANNEL_LAYERS["default"]["BACKEND"] = "channels_redis.core.RedisChannelLayer"
    assert ids() == ["realtime.W004"]


@pytest.mark.parametrize(
    "hosts",
    [
        None,
        ["redis://one:6379"],
        [("one", 6379)],
        [HOST, {"address": "redis://two:6379"}],
        [{"host": "one", "port": 6379, "socket_timeout": 5}],
        ["redis://one:6379/0?socket_timeout=5"],
    ],
)
def test_a_redis_host_without_timeouts_is_a_warning(production: Settings, hosts: list[Any] | None) -> None:
    production.CHANNEL_LAYERS["default"]["CONFIG"]["hosts"] = hosts
    assert ids() == ["realtime.W005"]


@pytest.mark.parametrize(
    "host",
    [
        {"host": "one", "port": 6379, "socket_timeout": 5, "socket_connect_timeout": 2},
        "redis://one:6379/0?socket_timeout=5&socket_connect_timeout=2",
    ],
)
def test_a_redis_host_with_timeouts_passes(production: Settings, host: dict[str, Any] | str) -> None:
    production.CHANNEL_LAYERS["default"]["CONFIG"]["hosts"] = [host]
    assert found() == []


# The limits


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


# Who may connect


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


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("none", SECRET),
        ("HS255", SECRET),
        ("HS256", ""),
        ("HS256", PUBLIC_KEY),
        ("RS256", SECRET),
        ("ES256", SECRET),
        ("EdDSA", SECRET),
    ],
)
def test_a_token_key_that_cannot_verify_is_an_error(production: Settings, algorithm: str, key: str) -> None:
    production.JWT_ALGORITHM, production.JWT_KEY = algorithm, key
    assert ids() == ["realtime.E005"]


def test_a_public_key_passes(production: Settings) -> None:
    production.JWT_ALGORITHM, production.JWT_KEY = "EdDSA", PUBLIC_KEY
    assert found() == []


def test_a_short_token_key_in_production_is_a_warning(production: Settings) -> None:
    production.JWT_KEY = SECRET[:31]
    assert ids() == ["realtime.W007"]


# Versions

ROOT = Path(__file__).resolve().parents[2]


def test_an_untested_version_is_reported_with_the_tested_ones(
    production: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "version", lambda package: "99.1" if package == "twisted" else TESTED[package][0])
    (message,) = found()
    assert message.id == "realtime.W009"
    assert "twisted 99.1 is installed" in message.msg
    assert TESTED["twisted"][-1] in message.msg
    assert message.hint
    assert f"twisted=={TESTED['twisted'][-1]}" in message.hint


def test_a_package_that_is_not_installed_is_not_checked(production: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr(checks, "version", version)
    assert found() == []


def test_the_newest_tested_version_is_pinned() -> None:
    pins = dict(re.findall(r"^([a-z0-9-]+)(?:\[[^\]]*\])?==(\S+)", (ROOT / "requirements.txt").read_text(), re.M))
    assert {package: pins.get(package) for package in TESTED} == {
        package: tried[-1] for package, tried in TESTED.items()
    }


def test_the_manual_lists_the_tested_versions() -> None:
    section = (ROOT / "docs" / "operations.md").read_text().split("### Versions\n")[1].split("\n#")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| ([^|]+) \|", section, re.M)
    assert {package: tuple(tried.strip().split(", ")) for package, tried in rows} == TESTED
