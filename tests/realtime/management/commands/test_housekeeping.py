"""`manage.py housekeeping`, and the function that tasks call."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from functools import partial
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from executions.models import Notification
from executions.services import notify_user
from realtime.housekeeping import claims, run_due
from realtime.housekeeping.jobs import all_jobs
from realtime.models import HousekeepingJob, StreamEvent
from realtime.publish import publish
from tests.conftest import address_of_test_database
from tests.servers.process import ROOT

pytestmark = pytest.mark.django_db(transaction=True)


def run(*words: str) -> str:
    out = StringIO()
    call_command("housekeeping", *words, stdout=out, stderr=out)
    return out.getvalue()


@pytest.fixture
def old_rows(user: User) -> None:
    """Three old events of a graph, of which two go, and an old notification that was read."""
    for _ in range(3):
        publish("u1|graph#g1|executions", "changed", "entity", {})
    StreamEvent.objects.update(created_at=timezone.now() - timedelta(days=31))
    notify_user(user, type="info", event="old")
    Notification.objects.update(read_at=timezone.now() - timedelta(days=31))


def rows() -> list[Any]:
    return [
        *StreamEvent.objects.order_by("id").values_list(),
        *Notification.objects.values_list(),
        *HousekeepingJob.objects.values_list(),
    ]


@pytest.mark.usefixtures("old_rows")
def test_a_dry_run_changes_nothing() -> None:
    before = rows()
    said = run("--dry-run").splitlines()
    assert "old_events: graph 2 would be done" in said
    assert "read_notifications: notifications 1 would be done" in said
    assert "ended_executions: nothing would be done" in said
    assert len(said) == len(all_jobs())
    assert rows() == before


@pytest.mark.usefixtures("old_rows")
@pytest.mark.parametrize("words", [[], ["--once"]])
def test_it_does_what_is_due_once(words: list[str]) -> None:
    said = run(*words).splitlines()
    assert "old_events: graph 2 done" in said
    assert "read_notifications: notifications 1 done" in said
    assert run(*words) == ""


@pytest.mark.usefixtures("old_rows")
def test_a_named_job_runs_now_and_alone() -> None:
    for _ in range(2):
        run("--job", "old_events")
    assert HousekeepingJob.objects.count() == 1
    assert HousekeepingJob.objects.get().total == 2
    assert Notification.objects.count() == 1


def test_a_job_that_another_process_runs_is_refused() -> None:
    claims.find_due(["leftovers"])
    claims.claim("leftovers")
    with pytest.raises(CommandError, match="Another process runs leftovers"):
        run("--job", "leftovers")


@pytest.mark.parametrize("words", [["--job", "dust"], ["--loop", "--once"], ["--loop", "--dry-run"]])
def test_wrong_options_are_refused(words: list[str]) -> None:
    with pytest.raises(CommandError):
        run(*words)


@pytest.mark.usefixtures("old_rows")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_the_loop_runs_until_a_signal(sign: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "housekeeping", "--loop", "--skip-checks"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": address_of_test_database(), "LOG_LEVEL": "WARNING"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == "old_events: graph 2 done\n"
        process.send_signal(sign)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    # The pool of PostgreSQL may add that it closes a connection in the middle of a statement.
    assert errors.startswith("Stopped. What was done stays; the rest is due at once.\n")
    assert "Traceback" not in errors


@pytest.mark.usefixtures("old_rows")
def test_a_task_of_celery_beat_calls_the_function() -> None:
    """The lines of docs/operations.md. The application notes what is registered, and its schedule names it."""
    lines = (ROOT / "docs/operations.md").read_text().split("# Celery beat\n")[1].split("\n\n")[0]
    tasks: dict[str, Any] = {}
    app = SimpleNamespace(task=lambda name: partial(tasks.setdefault, name), conf=SimpleNamespace())
    exec(lines, {"app": app, "run_due": run_due})
    (entry,) = app.conf.beat_schedule.values()
    assert tasks[entry["task"]]()["old_events"] == {"graph": 2}


@pytest.mark.usefixtures("old_rows")
def test_a_task_of_django_calls_the_function(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = pytest.importorskip("django.tasks", reason="Django 6 has tasks")
    settings.TASKS = {"default": {"BACKEND": "django.tasks.backends.immediate.ImmediateBackend"}}
    monkeypatch.setattr(sys.modules[__name__], "tidy", tasks.task(tidy))
    result = tidy.enqueue()  # type: ignore[attr-defined]
    assert result.return_value["old_events"] == {"graph": 2}


def tidy() -> Any:
    return run_due(seconds=60)
