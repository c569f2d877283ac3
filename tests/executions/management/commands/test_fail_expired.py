"""`manage.py fail_expired`, and the leases of workers."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from executions.api.worker_tokens import create_token
from executions.models import Graph, GraphExecution
from tests.conftest import address_of_test_database
from tests.executions.api.conftest import ApiClient, ok, refused
from tests.servers.process import ROOT

pytestmark = pytest.mark.django_db


@pytest.fixture
def worker(db: None) -> ApiClient:
    return ApiClient(token=create_token("press")[1])


@pytest.fixture
def held(worker: ApiClient, graph: Graph, user: User) -> GraphExecution:
    """An execution with a lease of one minute."""
    wanted = {"user_id": str(user.pk), "graph_id": str(graph.pk), "lease_seconds": 60}
    made = ok(worker.post("/worker/executions", wanted), 201)
    assert made["lease_seconds"] == 60
    return GraphExecution.objects.get(pk=made["id"])


def let_pass(execution: GraphExecution) -> None:
    past = timezone.now() - timedelta(seconds=1)
    GraphExecution.objects.filter(pk=execution.pk).update(lease_expires_at=past)


def run() -> str:
    out = StringIO()
    call_command("fail_expired", stdout=out)
    return out.getvalue().strip()


@pytest.mark.parametrize("status", ["QUEUED", "RUNNING"])
def test_an_execution_of_a_silent_worker_becomes_failed_with_the_reason(
    worker: ApiClient, held: GraphExecution, status: str
) -> None:
    path = f"/worker/executions/{held.pk}"
    ok(worker.post(f"{path}/report", {"status": status}))
    assert run() == ""
    let_pass(held)
    assert run() == "1 given up."
    held.refresh_from_db()
    assert held.status == "FAILED"
    assert held.stats
    assert held.stats["error"].startswith("The worker “press” did not report for 60 seconds")
    assert refused(worker.post(f"{path}/report", {"status": "COMPLETED"}), 409)["code"] == "illegal_transition"


def test_each_report_and_heartbeat_renews_the_lease(worker: ApiClient, held: GraphExecution) -> None:
    path = f"/worker/executions/{held.pk}"
    batch = {"reports": [{"type": "node", "execution_id": str(held.pk), "node_id": "a", "status": "RUNNING"}]}
    for report in (
        lambda: worker.post(f"{path}/report", {"status": "RUNNING"}),
        lambda: worker.post(f"{path}/nodes", {"node_id": "split", "status": "RUNNING"}),
        lambda: worker.post(f"{path}/nodes/outputs", {"node_id": "split", "outputs": {"a": [1]}}),
        lambda: worker.post(f"{path}/heartbeat"),
        lambda: worker.post("/worker/reports", batch),
    ):
        let_pass(held)
        ok(report())
        assert run() == ""


def test_without_a_lease_a_worker_may_be_silent(worker: ApiClient, graph: Graph, user: User) -> None:
    made = ok(worker.post("/worker/executions", {"user_id": str(user.pk), "graph_id": str(graph.pk)}), 201)
    assert GraphExecution.objects.get(pk=made["id"]).lease_expires_at is None


def test_a_report_of_another_worker_fails_it_too(
    held: GraphExecution, graph: Graph, user: User, settings: Settings
) -> None:
    settings.EXECUTIONS = {"LEASE_SWEEP_INTERVAL": 0.0}
    let_pass(held)
    other = ApiClient(token=create_token("other")[1])
    ok(other.post("/worker/executions", {"user_id": str(user.pk), "graph_id": str(graph.pk)}), 201)
    held.refresh_from_db()
    assert held.status == "FAILED"


@pytest.mark.parametrize("every", ["0", "-1", "nan", "3601"])
def test_an_invalid_interval_is_refused(every: str) -> None:
    with pytest.raises(CommandError, match="--every"):
        call_command("fail_expired", "--every", every)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("sign", "code", "said"),
    [
        (signal.SIGINT, 130, "Stopped. Each execution was given up wholly or not at all.\n"),
        (signal.SIGTERM, -signal.SIGTERM, ""),
    ],
)
def test_a_signal_ends_it_without_a_traceback(
    worker: ApiClient, graph: Graph, user: User, sign: signal.Signals, code: int, said: str
) -> None:
    wanted = {"user_id": str(user.pk), "graph_id": str(graph.pk), "lease_seconds": 60}
    let_pass(GraphExecution.objects.get(pk=ok(worker.post("/worker/executions", wanted), 201)["id"]))
    process = subprocess.Popen(
        [sys.executable, "manage.py", "fail_expired", "--every", "60", "--skip-checks"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": address_of_test_database()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == "1 given up.\n"
        process.send_signal(sign)
        out, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out, errors) == (code, "", said)
