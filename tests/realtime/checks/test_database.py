"""The checks of the databases."""

import sqlite3

import pytest
from django.db import connections
from pytest_django import Settings

from tests.realtime.checks.conftest import Router, found, ids


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
