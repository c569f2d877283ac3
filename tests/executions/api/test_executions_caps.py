"""The caps on what waits and on the size of an answer, over HTTP."""

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from executions.models import Graph, GraphExecution, NodeExecution
from executions.services import start_execution
from tests.executions.api.conftest import ApiClient, ok, refused


@pytest.fixture
def full_queue(user: User, graph: Graph, settings: Settings) -> GraphExecution:
    settings.EXECUTIONS = {"MAX_QUEUED_OF_USER": 1, "QUEUE_RETRY_AFTER": 7}
    return start_execution(graph, user=user, inputs={"text": "One."}, runner="embedded")


def test_a_start_beyond_the_cap_is_a_429_that_names_the_limit_and_the_cure(
    person: ApiClient, graph: Graph, full_queue: GraphExecution
) -> None:
    response = person.post("/executions", {"graph_id": str(graph.pk), "inputs": {"text": "One."}})
    problem = refused(response, 429)
    assert response["Retry-After"] == "7"
    assert problem["code"] == "queue_full"
    assert "1 runs of this user wait already, which is the limit" in problem["message"]
    assert 'EXECUTIONS["MAX_QUEUED_OF_USER"]' in problem["message"]
    assert problem["hint"] == "Wait until some of the waiting executions have started, or terminate some."
    assert GraphExecution.objects.count() == 1


def test_a_rerun_beyond_the_cap_is_refused(person: ApiClient, full_queue: GraphExecution) -> None:
    assert refused(person.post(f"/executions/{full_queue.pk}/rerun"), 429)["code"] == "queue_full"
    ok(person.post(f"/executions/{full_queue.pk}/terminate"))
    ok(person.post(f"/executions/{full_queue.pk}/rerun"), 201)


def test_a_worker_is_refused_too_and_may_repeat_the_request(
    worker: ApiClient, graph: Graph, user: User, full_queue: GraphExecution
) -> None:
    data = {"graph_id": str(graph.pk), "username": user.username}
    response = worker.post("/worker/executions", data, Idempotency_Key="once")
    assert (refused(response, 429)["code"], response["Retry-After"]) == ("queue_full", "7")
    full_queue.delete()
    ok(worker.post("/worker/executions", data, Idempotency_Key="once"), 201)


def test_a_list_of_nodes_ends_where_its_data_reaches_the_limit(
    person: ApiClient, execution: GraphExecution, settings: Settings
) -> None:
    settings.EXECUTIONS = {"MAX_ANSWER_BYTES": 10_000}
    for number in range(5):
        NodeExecution.objects.create(graph_execution=execution, node_id=str(number), input_data={"a": "x" * 4_000})
    path, found, cursor = f"/executions/{execution.pk}/nodes", [], ""
    while cursor is not None:
        page = ok(person.get(f"{path}?cursor={cursor}" if cursor else path))
        assert len(page["items"]) <= 2
        found += [node["node_id"] for node in page["items"]]
        cursor = page["next_cursor"]
    assert found == ["0", "1", "2", "3", "4"]


def test_the_nodes_of_an_execution_end_there_too(
    person: ApiClient, execution: GraphExecution, settings: Settings
) -> None:
    settings.EXECUTIONS = {"MAX_ANSWER_BYTES": 10_000}
    for number in range(5):
        NodeExecution.objects.create(graph_execution=execution, node_id=str(number), input_data={"a": "x" * 4_000})
    answer = ok(person.get(f"/executions/{execution.pk}"))
    assert ([node["node_id"] for node in answer["nodes"]], answer["has_more_nodes"]) == (["0", "1"], True)
