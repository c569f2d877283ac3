"""Executions over HTTP, with the position and the events of their streams."""

import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from pytest_django import DjangoAssertNumQueries

from executions.models import GraphExecution, NodeExecution
from executions.services import notify_user, report_execution, report_node
from tests.executions.api.conftest import ApiClient, ok, refused


def test_an_execution_is_read_with_the_position_of_its_stream(person: ApiClient, execution: GraphExecution) -> None:
    report_execution(execution, status="RUNNING")
    report_node(execution, node_id="split", status="RUNNING", input_data={"text": "One."})
    detail = ok(person.get(f"/executions/{execution.pk}"))
    assert (detail["status"], detail["inputs"], detail["head"]) == ("RUNNING", {"text": "One."}, 3)
    assert [(node["node_id"], node["status"]) for node in detail["nodes"]] == [("split", "RUNNING")]
    events = ok(person.get(f"/executions/{execution.pk}/events?after=1"))
    assert (events["epoch"], events["head"]) == (detail["epoch"], 3)
    assert [event["seq"] for event in events["events"]] == [2, 3]
    assert events["events"][1]["data"]["node_exec_id"] == detail["nodes"][0]["id"]


def test_a_client_with_the_newest_state_gets_304(person: ApiClient, execution: GraphExecution) -> None:
    path = f"/executions/{execution.pk}"
    first = person.get(path)
    same = person.get(path, If_None_Match=first["ETag"])
    assert (same.status_code, same.content) == (304, b"")
    report_execution(execution, status="RUNNING")
    assert ok(person.get(path, If_None_Match=first["ETag"]))["status"] == "RUNNING"


@pytest.mark.parametrize("nodes", [1, 30])
def test_the_number_of_queries_does_not_depend_on_the_number_of_nodes(
    person: ApiClient, execution: GraphExecution, nodes: int, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    NodeExecution.objects.bulk_create(
        [NodeExecution(graph_execution=execution, node_id=f"n{index}") for index in range(nodes)]
    )
    with django_assert_max_num_queries(11):
        assert len(ok(person.get(f"/executions/{execution.pk}"))["nodes"]) == nodes


def test_the_state_and_the_events_after_its_head_are_complete_beside_writers(
    person: ApiClient, execution: GraphExecution
) -> None:
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
        counts_at_head = {
            event["data"]["node_id"]: event["data"]["output_data"]["count"][0]
            for event in history[: detail["head"]]
            if event["method"] == "node_execution_event"
        }
        # The state includes all events up to the head. It may include later ones.
        assert all(counts[name] >= count for name, count in counts_at_head.items())


def test_graphs_and_notifications_have_events(person: ApiClient, execution: GraphExecution, user: User) -> None:
    events = ok(person.get(f"/graphs/{execution.graph_id}/events"))["events"]
    assert [event["data"]["id"] for event in events] == [str(execution.pk)]
    made = notify_user(user, type="info", event="hey")
    assert ok(person.get("/notifications/events"))["events"] == [
        {"seq": 1, "method": "notification", "data": {"type": "info", "event": "hey"}, "id": str(made.pk)}
    ]


def test_a_deleted_execution_has_no_events(person: ApiClient, execution: GraphExecution) -> None:
    execution.delete()
    refused(person.get(f"/executions/{execution.pk}"), 404)
    refused(person.get(f"/executions/{execution.pk}/events"), 404)
