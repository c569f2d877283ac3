"""The databases and layers of a test run."""

import argparse
import os
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, connections

from tests import backends
from tests.conftest import address_of_test_database
from tests.servers import NotInstalledError, Server, WebServer
from tests.servers.process import ROOT

PRINTS_THE_DATABASE = """
import django; django.setup()
from django.contrib.auth.models import User
print(list(User.objects.values_list("username", flat=True)))
"""


def _missing() -> None:
    raise NotInstalledError("It", package="it", wheel="itlite")


def test_the_settings_come_from_the_run_and_not_from_the_caller(pytestconfig: pytest.Config) -> None:
    runs_on = pytestconfig.stash[backends.RUNS_ON]
    assert ("PostgreSQL" in runs_on) == (connection.vendor == "postgresql")
    assert ("Redis" in runs_on) == ("channels_redis" in settings.CHANNEL_LAYERS["default"]["BACKEND"])
    assert backends.ENVIRONMENT["SECRET_KEY"] == settings.SECRET_KEY


@pytest.mark.once
def test_a_foreign_environment_does_not_change_a_run() -> None:
    foreign = {
        "DATABASE_URL": "postgres://nobody@nowhere.invalid/nothing",
        "REDIS_URL": "redis://nowhere.invalid",
        "DEBUG": "false",
        "SECRET_KEY": "",
        "DJANGO_SETTINGS_MODULE": "nowhere.settings",
    }
    result = subprocess.run(
        [sys.executable, "-m", "pytest", __file__, "-k", "not_from_the_caller or sees_the_test_database"],
        cwd=ROOT,
        env={**os.environ, **foreign},
        capture_output=True,
        text=True,
    )
    assert "3 passed" in result.stdout, result.stdout + result.stderr


@pytest.mark.django_db(transaction=True)
def test_another_thread_sees_the_test_database(user: User) -> None:
    seen: list[str] = []

    def read() -> None:
        seen.extend(User.objects.values_list("username", flat=True))
        connections.close_all()

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    assert seen == [user.username]


@pytest.mark.django_db(transaction=True)
def test_another_process_sees_the_test_database(user: User) -> None:
    environment = {**os.environ, "DATABASE_URL": address_of_test_database()}
    result = subprocess.run(
        [sys.executable, "-c", PRINTS_THE_DATABASE], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert result.stdout == f"['{user.username}']\n", result.stderr


@pytest.mark.sqlite
def test_each_run_has_its_own_database_file() -> None:
    assert Path(connection.settings_dict["NAME"]).parent.name.startswith("runwire-sqlite-")
    assert Path(connection.settings_dict["NAME"]).parent != ROOT


def test_a_missing_program_is_reported_as_not_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    config = SimpleNamespace(stash=pytest.Stash())
    config.stash[backends.NOT_TESTED] = []
    monkeypatch.setattr(backends, "Postgres", _missing)
    backends._start_servers(config, ExitStack())  # type: ignore[arg-type]
    assert config.stash[backends.NOT_TESTED] == [
        "everything on PostgreSQL. It is not installed: install it (apt, brew), or `pip install itlite`."
    ]


def test_the_process_that_hands_out_the_tests_starts_no_server_and_its_workers_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    assert not backends._hands_out(argparse.Namespace())  # without pytest-xdist
    assert not backends._hands_out(argparse.Namespace(numprocesses=None))
    assert backends._hands_out(argparse.Namespace(numprocesses=3))
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    assert not backends._hands_out(argparse.Namespace(numprocesses=3))


def test_without_starting_anything_it_is_known_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Never(Server):
        url = "never://"

        def begin(self) -> None:
            raise AssertionError

    config = SimpleNamespace(stash=pytest.Stash())
    config.stash[backends.NOT_TESTED] = []
    monkeypatch.setattr(backends, "Postgres", Never)
    monkeypatch.setattr(backends, "Redis", Never)
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("REDIS_URL", "")
    with ExitStack() as life:
        backends._start_servers(config, life, only_look=True)  # type: ignore[arg-type]
    assert (config.stash[backends.RUNS_ON], config.stash[backends.NOT_TESTED]) == ("PostgreSQL, Redis", [])


def test_a_web_server_has_the_commands_of_the_project() -> None:
    server = WebServer({"A": "b"}, program="daphne", options=["-v", "0"])
    try:
        assert server.command()[1:] == [
            "-m", "daphne", "-b", "127.0.0.1", "-p", str(server.port), "config.asgi:application", "-v", "0",
        ]  # fmt: skip
        assert server.environment()["A"] == "b"
    finally:
        server.close()
