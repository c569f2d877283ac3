"""Reports and starts of a user who has recorded as much as may be: what is refused, and what is recorded anyway."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from executions.models import Graph, GraphExecution, NodeExecution
from executions.record_caps import TooMuchRecorded
from executions.signals import data_offered
from tests.executions.api.conftest import ApiClient, ok, refused

pytestmark = pytest.mark.django_db

NODE = {"node_id": "split", "status": "RUNNING"}


class Budget:
    """Refuses each user while it `is_used_up`."""

    is_used_up = True

    def receive(self, **kwargs: Any) -> None:
        if self.is_used_up:
            raise TooMuchRecorded("More than nothing.", 7)


@pytest.fixture
def budget(run: str) -> Iterator[Budget]:
    """Used up after the start of `run`."""
    budget = Budget()
    data_offered.connect(budget.receive)
    yield budget
    data_offered.disconnect(budget.receive)


def test_a_report_is_refused_and_changes_nothing(worker: ApiClient, run: str, budget: Budget) -> None:
    answer = worker.post(f"{run}/nodes", NODE)
    assert refused(answer, 429)["code"] == "too_much_recorded"
    assert answer["Retry-After"] == "7"
    assert not NodeExecution.objects.exists()


def test_the_same_request_is_recorded_later(worker: ApiClient, run: str, budget: Budget) -> None:
    refused(worker.post(f"{run}/nodes", NODE, Idempotency_Key="once"), 429)
    budget.is_used_up = False
    ok(worker.post(f"{run}/nodes", NODE, Idempotency_Key="once"))


def test_a_batch_is_refused_as_a_whole(worker: ApiClient, run: str, budget: Budget) -> None:
    id = run.removeprefix("/worker/executions/")
    reports = [
        {"type": "node", "execution_id": id, **NODE},
        {"type": "execution", "execution_id": id, "status": "FAILED"},
    ]
    assert refused(worker.post("/worker/reports", {"reports": reports}), 429)["code"] == "too_much_recorded"
    ok(worker.post("/worker/reports", {"reports": reports[1:]}))


def test_a_run_can_end(worker: ApiClient, run: str, budget: Budget) -> None:
    """A bare end is recorded once; what it brings beside its reason, and what comes after it, is not."""
    refused(worker.post(f"{run}/report", {"status": "FAILED", "outputs": {"a": ["x"]}}), 429)
    ok(worker.post(f"{run}/report", {"status": "FAILED", "error": "Too much."}))
    refused(worker.post(f"{run}/report", {"status": "FAILED", "error": "Again."}), 429)
    ok(worker.post(f"{run}/heartbeat"))


def test_starts_are_refused(
    worker: ApiClient, person: ApiClient, graph: Graph, user: User, run: str, budget: Budget
) -> None:
    data = {"graph_id": str(graph.pk)}
    refused(worker.post("/worker/executions", {**data, "user_id": str(user.pk)}), 429)
    refused(person.post("/executions", {**data, "inputs": {"text": "One."}}), 429)
    old = run.removeprefix("/worker")
    refused(person.post(f"{old}/rerun"), 429)
    assert GraphExecution.objects.count() == 1
    ok(person.post(f"{old}/terminate"))


def test_the_page_says_why_a_start_is_refused(client: Client, graph: Graph, user: User, budget: Budget) -> None:
    client.force_login(user)
    page = client.post("/executions/start/", {"graph": graph.pk, "input-text": "One."})
    assert (page.status_code, page["Retry-After"]) == (429, "7")
    assert "More than nothing." in page.content.decode()
