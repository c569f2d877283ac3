"""The bytes of events that a user may record: what is charged, to whom, and what is refused."""

import json
import math
import os
import threading
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Sum
from django.test import Client
from pytest_django import Settings

from executions.api.worker_tokens import create_token
from executions.models import Graph, GraphExecution, NodeExecution
from executions.record_caps import TooMuchRecorded, check_recorded
from executions.services import NodeReport, report_all, report_execution, report_node, terminate_execution
from realtime.bridge import log_budget
from realtime.bridge.log_budget import LOG_BYTES
from realtime.budgets import Budget
from realtime.models import StreamEvent
from tests.realtime.conftest import Counted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _window(settings: Settings) -> Iterator[None]:
    settings.REALTIME = {"LOG_WINDOW": 86_400}  # no window ends during a test
    log_budget.flush()
    yield
    log_budget.flush()


def charged(user: User) -> int:
    log_budget.flush()
    return LOG_BYTES.spent(str(user.pk))


def test_the_bytes_of_each_event_are_charged_once(execution: GraphExecution, user: User, other_user: User) -> None:
    """Also where an event is on two streams, or in a batch with others."""
    report_execution(execution, status="RUNNING")
    report_node(execution, node_id="a", status="RUNNING", input_data={"text": "x" * 1_000})
    report_all([NodeReport(execution, node_id="a", status="COMPLETED", output_data={"b": ["y" * 2_000]})])
    stored = StreamEvent.objects.filter(data_of=None).aggregate(Sum("size"))["size__sum"]
    assert charged(user) == stored > 4_000
    assert charged(other_user) == 0


def test_other_letters_count_as_their_bytes(execution: GraphExecution, user: User) -> None:
    before = charged(user)
    report_node(execution, node_id="a", status="RUNNING", input_data={"text": "\u4e16" * 1_000})
    assert charged(user) - before > 3_000


def test_what_is_rolled_back_is_not_charged(execution: GraphExecution, user: User) -> None:
    before = charged(user)
    with transaction.atomic():
        report_node(execution, node_id="a", status="RUNNING", input_data={"text": "x" * 1_000})
        transaction.set_rollback(True)
    assert charged(user) == before


def test_the_sums_of_a_process_are_added_when_somebody_asks(
    execution: GraphExecution, user: User, settings: Settings, counted: Counted
) -> None:
    settings.REALTIME = {**settings.REALTIME, "LOG_BYTES": 2_000}
    check_recorded([user.pk])
    report_node(execution, node_id="a", status="RUNNING", input_data={"text": "x" * 3_000})
    with pytest.raises(TooMuchRecorded, match="LOG_BYTES") as refused:
        check_recorded([user.pk])
    assert 0 < refused.value.retry_after <= 86_400
    assert counted["refused_log_bytes"] == 1


def test_a_commit_does_not_wait_for_the_throttling_cache(
    execution: GraphExecution, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, add = charged(user), Budget.add
    is_asked, answers = threading.Event(), threading.Event()

    def add_late(budget: Budget, key: object, cost: int) -> int:
        is_asked.set()
        assert answers.wait(60)
        return add(budget, key, cost)

    monkeypatch.setattr(Budget, "add", add_late)
    monkeypatch.setattr(log_budget, "_next_flush", 0.0)
    for status in ("RUNNING", "COMPLETED"):
        report_node(execution, node_id="a", status=status, input_data={"text": "x" * 1_000})
    assert is_asked.wait(60)
    answers.set()
    assert charged(user) - before > 2_000


def test_a_forked_child_charges_nothing_of_its_parent(
    execution: GraphExecution, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_budget, "_next_flush", math.inf)
    report_node(execution, node_id="a", status="RUNNING", input_data={"text": "x" * 1_000})
    assert log_budget._sums
    with log_budget._flushing:
        child = os.fork()
        if not child:
            os._exit(bool(log_budget._sums) or log_budget._flushing.locked())
    assert os.waitpid(child, 0)[1] == 0
    assert charged(user) > 1_000


def test_zero_is_no_limit(execution: GraphExecution, user: User, settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "LOG_BYTES": 0}
    report_node(execution, node_id="a", status="RUNNING", input_data={"text": "x" * 3_000})
    check_recorded([user.pk])


def test_a_worker_over_the_budget_of_a_user_is_told_so_and_can_end_the_run(
    graph: Graph, user: User, other_user: User, settings: Settings
) -> None:
    settings.REALTIME = {**settings.REALTIME, "LOG_BYTES": 20_000}
    secret = create_token("press")[1]

    def post(path: str, **data: object) -> tuple[int, dict[str, str]]:
        answer = Client().post(
            f"/api/worker/executions{path}",
            json.dumps(data),
            content_type="application/json",
            headers={"Authorization": f"Bearer {secret}"},
        )
        return answer.status_code, answer.json()

    run = f"/{post('', user_id=str(user.pk), graph_id=str(graph.pk))[1]['id']}"
    assert post(f"{run}/nodes", node_id="a", status="RUNNING")[0] == 200
    statuses = [post(f"{run}/nodes/outputs", node_id="a", outputs={"b": ["y" * 1_000]})[0] for _ in range(20)]
    assert set(statuses) == {200, 429}
    assert statuses == sorted(statuses)
    recorded = NodeExecution.objects.get().output_data["b"]
    assert len(recorded) < 10, "each report records all outputs of the node, and each is charged"
    refusal = post(f"{run}/nodes/outputs", node_id="a", outputs={"b": ["y"]})[1]
    assert "More than 20,000 bytes of a user's events in " in refusal["message"]
    assert 'REALTIME["LOG_BYTES"]' in refusal["message"]
    assert post(f"{run}/report", status="FAILED", error="Too much.")[0] == 200
    other_graph = Graph.objects.create(owner=other_user, name="g", nodes=graph.nodes)
    assert post("", user_id=str(other_user.pk), graph_id=str(other_graph.pk))[0] == 201


def test_the_process_itself_is_charged_and_not_refused(
    execution: GraphExecution, user: User, settings: Settings
) -> None:
    settings.REALTIME = {**settings.REALTIME, "LOG_BYTES": 1}
    report_execution(execution, status="RUNNING")
    report_node(execution, node_id="a", status="RUNNING", input_data={"text": "x" * 3_000})
    terminate_execution(execution)
    assert charged(user) > 3_000
