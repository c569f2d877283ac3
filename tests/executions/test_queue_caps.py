"""The caps on what waits: of one user, and for one engine."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from executions.leases import claim_next, release_claim
from executions.models import Graph, GraphExecution
from executions.queue_caps import check_queue
from executions.services import QueueIsFull, report_execution, requeue_execution, start_execution, terminate_execution
from executions.signals import start_refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def graph(user: User) -> Graph:
    return Graph.objects.create(owner=user, name="g", nodes=[{"id": "a", "block_id": "test.echo"}])


@pytest.fixture
def refusals() -> Iterator[list[str]]:
    found: list[str] = []

    def on_refused(limit: str, **kwargs: Any) -> None:
        found.append(limit)

    start_refused.connect(on_refused)
    yield found
    start_refused.disconnect(on_refused)


def test_a_user_has_at_most_a_hundred_waiting_runs(user: User, graph: Graph, refusals: list[str]) -> None:
    for _ in range(100):
        start_execution(graph, user=user)
    with pytest.raises(QueueIsFull) as refused:
        start_execution(graph, user=user)
    assert str(refused.value) == (
        "100 runs of this user wait already, which is the limit. "
        'Wait until some have started, or terminate some (EXECUTIONS["MAX_QUEUED_OF_USER"]).'
    )
    assert GraphExecution.objects.count() == 100
    assert refusals == ["MAX_QUEUED_OF_USER"]


def test_another_user_is_not_concerned(user: User, other_user: User, graph: Graph, settings: Settings) -> None:
    settings.EXECUTIONS = {"MAX_QUEUED_OF_USER": 1}
    start_execution(graph, user=user)
    with pytest.raises(QueueIsFull):
        start_execution(graph, user=user)
    start_execution(graph, user=other_user)


def test_a_run_that_has_started_does_not_wait(user: User, graph: Graph, settings: Settings) -> None:
    settings.EXECUTIONS = {"MAX_QUEUED_OF_USER": 1}
    report_execution(start_execution(graph, user=user), status="RUNNING")
    terminate_execution(start_execution(graph, user=user))
    start_execution(graph, user=user)


def test_the_graphs_and_inputs_that_wait_have_a_limit_in_bytes(
    user: User, graph: Graph, settings: Settings, refusals: list[str]
) -> None:
    settings.EXECUTIONS = {"MAX_QUEUED_BYTES_OF_USER": 2**20}
    first = start_execution(graph, user=user, inputs={"text": "x" * 600_000})
    assert 600_000 < first.queued_bytes < 600_200
    with pytest.raises(QueueIsFull, match="pass 1 MB, which is the limit"):
        start_execution(graph, user=user, inputs={"text": "x" * 600_000})
    start_execution(graph, user=user, inputs={"text": "short"})
    assert refusals == ["MAX_QUEUED_BYTES_OF_USER"]


def test_the_queue_of_an_engine_has_a_limit(
    user: User, other_user: User, graph: Graph, settings: Settings, refusals: list[str]
) -> None:
    settings.EXECUTIONS = {"MAX_QUEUED": 2}
    start_execution(graph, user=user, runner="embedded")
    start_execution(graph, user=other_user, runner="embedded")
    with pytest.raises(QueueIsFull, match="2 runs of all users wait already"):
        start_execution(graph, user=user, runner="embedded")
    start_execution(graph, user=user, runner="worker:other")
    assert refusals == ["MAX_QUEUED"]


def test_a_terminated_run_is_queued_again_only_if_there_is_room(user: User, graph: Graph, settings: Settings) -> None:
    settings.EXECUTIONS = {"MAX_QUEUED_OF_USER": 1}
    old = terminate_execution(start_execution(graph, user=user))
    waiting = start_execution(graph, user=user)
    with pytest.raises(QueueIsFull):
        requeue_execution(old)
    old.refresh_from_db()
    assert (old.status, old.attempt) == ("TERMINATED", 1)
    terminate_execution(waiting)
    assert requeue_execution(old).status == "QUEUED"


def test_a_run_that_its_process_gives_back_keeps_its_place(user: User, graph: Graph, settings: Settings) -> None:
    settings.EXECUTIONS = {"MAX_QUEUED_OF_USER": 1}
    start_execution(graph, user=user, runner="embedded")
    claimed = claim_next()
    assert claimed
    start_execution(graph, user=user, runner="embedded")
    release_claim(claimed)
    assert GraphExecution.objects.filter(status="QUEUED").count() == 2


def test_the_check_reads_no_more_rows_than_the_limits(user: User, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(2) as queries:
        check_queue(user.pk, "embedded", {})
    assert all("LIMIT" in query["sql"] for query in queries.captured_queries)
