"""Executions over HTTP, with where their streams stand."""

import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from pytest_django import DjangoAssertNumQueries

from executions.models import GraphExecution, NodeExecution
from executions.services import notify_user, report_execution, report_node
from tests.executions.api.conftest import ApiClient, ok, refused


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


def test_graphs_and_notifications_have_a_history_too(person: ApiClient, execution: GraphExecution, user: User) -> None:
    told = ok(person.get(f"/graphs/{execution.graph_id}/events"))["events"]
    assert [event["data"]["id"] for event in told] == [str(execution.pk)]
    notify_user(user, type="info", event="hey")
    assert ok(person.get("/notifications/events"))["events"][0]["data"] == {"type": "info", "event": "hey"}


def test_a_deleted_execution_has_no_history(person: ApiClient, execution: GraphExecution) -> None:
    execution.delete()
    refused(person.get(f"/executions/{execution.pk}"), 404)
    refused(person.get(f"/executions/{execution.pk}/events"), 404)
