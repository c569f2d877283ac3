"""Where a stream stands, its history, and tokens for the socket, over HTTP."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from pytest_django import DjangoAssertNumQueries, Settings

from executions.models import Graph, GraphExecution, NodeExecution
from executions.services import notify_user, report_execution, report_node, start_execution
from realtime.auth.jwt import SOCKET_SCOPE, BadToken, issue_token, read_token
from realtime.log.retention import prune
from realtime.models import StreamEvent
from tests.executions.api.conftest import ApiClient, client_of, ok, refused


@pytest.fixture
def person(user: User) -> ApiClient:
    return client_of(user)


@pytest.fixture
def execution(transactional_db: None, user: User) -> GraphExecution:
    graph = Graph.objects.create(owner=user, name="Text", nodes=[{"id": "split", "block_id": "text.sentences"}])
    return start_execution(graph, user=user, inputs={"text": "One."})


def test_an_execution_is_read_with_where_its_stream_stands(person: ApiClient, execution: GraphExecution) -> None:
    report_execution(execution, status="RUNNING")
    report_node(execution, node_id="split", status="RUNNING", input_data={"text": "One."})
    detail = ok(person.get(f"/executions/{execution.pk}"))
    assert (detail["status"], detail["inputs"], detail["head"]) == ("RUNNING", {"text": "One."}, 3)
    assert [(node["node_id"], node["status"]) for node in detail["nodes"]] == [("split", "RUNNING")]
    events = ok(person.get(f"/executions/{execution.pk}/events?after=1"))
    assert (events["epoch"], events["head"]) == (detail["epoch"], 3)
    assert [event["seq"] for event in events["events"]] == [2, 3]
    assert events["events"][1]["data"]["node_exec_id"] == detail["nodes"][0]["id"]


def test_who_has_the_newest_state_gets_none_again(person: ApiClient, execution: GraphExecution) -> None:
    path = f"/executions/{execution.pk}"
    first = person.get(path)
    same = person.get(path, If_None_Match=first["ETag"])
    assert (same.status_code, same.content) == (304, b"")
    report_execution(execution, status="RUNNING")
    assert ok(person.get(path, If_None_Match=first["ETag"]))["status"] == "RUNNING"


@pytest.mark.parametrize("nodes", [1, 30])
def test_a_detail_costs_the_same_with_few_nodes_and_with_many(
    person: ApiClient, execution: GraphExecution, nodes: int, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    NodeExecution.objects.bulk_create(
        [NodeExecution(graph_execution=execution, node_id=f"n{index}") for index in range(nodes)]
    )
    with django_assert_max_num_queries(10):
        assert len(ok(person.get(f"/executions/{execution.pk}"))["nodes"]) == nodes


def test_a_page_goes_on_from_the_head_without_a_gap_while_others_write(
    person: ApiClient, execution: GraphExecution
) -> None:
    """The state, and what follows its head, together are all that was reported."""
    report_execution(execution, status="RUNNING")
    writes = 40
    details: list[Any] = []

    def write(name: str) -> None:
        try:
            for index in range(writes):
                report_node(execution, node_id=name, status="RUNNING", output_data={"count": [index]})
        finally:
            connections.close_all()

    writers = [threading.Thread(target=write, args=(name,)) for name in ("a", "b")]
    for each in writers:
        each.start()
    while any(each.is_alive() for each in writers):
        details.append(ok(person.get(f"/executions/{execution.pk}")))
    for each in writers:
        each.join()
    history: list[Any] = []
    head = 1
    while len(history) < head:
        page = ok(person.get(f"/executions/{execution.pk}/events?after={len(history)}"))
        history, head = history + page["events"], page["head"]
    assert [event["seq"] for event in history] == list(range(1, 2 * writes + 3))
    for detail in details:
        counts = {node["node_id"]: node["output_data"]["count"][0] for node in detail["nodes"]}
        told = {
            event["data"]["node_id"]: event["data"]["output_data"]["count"][0]
            for event in history[: detail["head"]]
            if event["method"] == "node_execution_event"
        }
        # What the head counts is in the state; what is newer in the state follows the head.
        assert all(counts[name] >= count for name, count in told.items())


def test_events_are_complete_or_refused(person: ApiClient, execution: GraphExecution, settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "PAGE_EVENTS": 2}
    report_execution(execution, status="RUNNING")
    for index in range(3):
        report_node(execution, node_id="split", status="RUNNING", output_data={"count": [index]})
    path = f"/executions/{execution.pk}/events"
    assert [event["seq"] for event in ok(person.get(path))["events"]] == [1, 2]
    page = ok(person.get(f"{path}?after=4"))
    assert [event["seq"] for event in page["events"]] == [5]
    for query in ("after=6", "after=1&epoch=another", f"after={2**63 - 1}"):
        error = refused(person.get(f"{path}?{query}"), 409)
        assert (error["code"], error["path"]) == ("not_recoverable", "after")
    stream = StreamEvent.objects.filter(method="node_execution_event")[0].stream
    assert stream
    prune(stream.pk, StreamEvent.objects.latest("created_at").created_at + timedelta(seconds=1))
    refused(person.get(f"{path}?after=1"), 409)
    for query in ("after=-1", f"after={2**63}", "after=x", f"epoch={'e' * 33}"):
        refused(person.get(f"{path}?{query}"), 422)


def test_graphs_and_notifications_have_a_history_too(person: ApiClient, execution: GraphExecution, user: User) -> None:
    told = ok(person.get(f"/graphs/{execution.graph_id}/events"))["events"]
    assert [event["data"]["id"] for event in told] == [str(execution.pk)]
    notify_user(user, type="info", event="hey")
    assert ok(person.get("/notifications/events"))["events"][0]["data"] == {"type": "info", "event": "hey"}


def test_a_deleted_execution_has_no_history(person: ApiClient, execution: GraphExecution) -> None:
    execution.delete()
    refused(person.get(f"/executions/{execution.pk}"), 404)
    refused(person.get(f"/executions/{execution.pk}/events"), 404)


def test_a_page_gets_a_token_for_the_socket_and_renews_it(person: ApiClient, user: User) -> None:
    got = ok(person.post("/socket-token"))
    assert read_token(got["token"]) == str(user.pk)
    page = ApiClient(token=got["token"])
    assert read_token(ok(page.post("/socket-token/refresh"))["token"]) == str(user.pk)
    refused(page.get("/executions"), 401)
    with pytest.raises(BadToken):
        read_token(got["token"], "api")


def test_a_token_for_the_socket_is_not_renewed_for_ever(user: User) -> None:
    old = issue_token(user.pk, timedelta(hours=1), scope=SOCKET_SCOPE, auth_time=1)
    refused(ApiClient(token=old).post("/socket-token/refresh"), 401)
    never = issue_token(user.pk, timedelta(hours=1))
    refused(ApiClient(token=never).post("/socket-token/refresh"), 401)


def test_an_event_goes_out_as_the_log_holds_it(person: ApiClient, execution: GraphExecution) -> None:
    answer = person.get(f"/executions/{execution.pk}/events")
    held = StreamEvent.objects.exclude(data=None).get().data
    assert held is not None
    assert held in answer.content.decode()
    assert json.loads(answer.content)["floor"] == 0
