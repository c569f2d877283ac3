"""realtime works in a project that does not install executions."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.once  # the database is a SQLite file of its own

ROOT = Path(__file__).resolve().parents[3]
PROJECT = "tests.realtime.without_executions"


class Project:
    """The project in `tests/realtime/without_executions/`, with a database in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": f"{PROJECT}.settings",
            "DATABASE_PATH": str(folder / "project.sqlite3"),
        }

    def run(self, *words: str) -> str:
        """Runs Python with these arguments. Returns its output."""
        result = subprocess.run(
            [sys.executable, "-W", "error", *words],
            cwd=ROOT,
            env=self._environment,
            timeout=60,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_the_system_checks_find_no_issues(project: Project) -> None:
    assert project.run("manage.py", "check") == "System check identified no issues (0 silenced).\n"


def test_no_migration_is_missing(project: Project) -> None:
    assert (
        project.run("manage.py", "makemigrations", "--check", "realtime") == "No changes detected in app 'realtime'\n"
    )


def test_the_commands_of_the_log_run(project: Project) -> None:
    project.run("manage.py", "migrate", "--verbosity", "0")
    assert project.run("manage.py", "check_streams") == "0 streams are as they should be.\n"
    assert "0 streams had old events" in project.run("manage.py", "prune_events", "--older-than", "7d")


def test_an_event_reaches_a_socket_and_the_http_api(project: Project) -> None:
    project.run("manage.py", "migrate", "--verbosity", "0")
    result: dict[str, Any] = json.loads(project.run("-m", f"{PROJECT}.program"))
    assert result["subscribed"]["success"]
    channel = result["subscribed"]["channel"]
    assert (result["event"]["method"], result["event"]["data"], result["event"]["channel"], result["event"]["seq"]) == (
        "order_shipped",
        {"id": 7},
        channel,
        1,
    )
    assert [(event["seq"], event["data"]) for event in result["notifications"]] == [(1, {"text": "hey"})]
    assert result["other stream"]["error"] == "Stream not found"
    assert result["execution"]["error"] == "Graph execution not found"
    assert result["graph"]["error"] == "Graph not found"
    assert result["guest"] == [False, 4003]
    assert result["modules of executions"] == []
