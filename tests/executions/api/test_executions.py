"""Start, list, terminate, rerun and delete executions over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User

from executions.models import Graph, GraphExecution, NodeExecution
from executions.services import finish_execution, report_execution, start_execution
from tests.executions.api.conftest import ApiClient, client_of, ok, refused

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_a_run_is_started_listed_terminated_rerun_and_deleted(person: ApiClient, graph: Graph) -> None:
    made = ok(person.post("/executions", {"graph_id": str(graph.pk), "inputs": {"text": "One. Two."}}), 201)
    assert (made["status"], made["runner"], made["graph_version"]) == ("QUEUED", "embedded", 1)
    path = f"/executions/{made['id']}"
    assert refused(person.delete(path), 409)["code"] == "execution_has_not_ended"
    assert ok(person.post(f"{path}/terminate"))["status"] == "TERMINATED"
    assert ok(person.post(f"{path}/terminate"))["status"] == "TERMINATED"
    again = ok(person.post(f"{path}/rerun"), 201)
    assert again["id"] != made["id"]
    assert GraphExecution.objects.get(pk=again["id"]).inputs == {"text": "One. Two."}
    assert [each["id"] for each in ok(person.get("/executions"))["items"]] == [again["id"], made["id"]]
    ok(person.delete(path), 204)
    refused(person.get(path), 404)


def test_a_rerun_of_a_claimed_run_is_open_to_any_process(person: ApiClient, graph: Graph, user: User) -> None:
    old = start_execution(graph, user=user, inputs={}, runner=f"embedded:{uuid4()}")
    assert ok(person.post(f"/executions/{old.pk}/rerun"), 201)["runner"] == "embedded"


def test_an_ended_run_cannot_be_terminated(person: ApiClient, execution: GraphExecution) -> None:
    report_execution(execution, status="RUNNING")
    finish_execution(execution)
    error = refused(person.post(f"/executions/{execution.pk}/terminate"), 409)
    assert (error["code"], error["path"]) == ("illegal_transition", "status")


@pytest.mark.parametrize(
    ("change", "status", "path"),
    [
        ({"graph_id": str(uuid4())}, 404, "graph_id"),
        ({"graph_id": 7}, 422, "graph_id"),
        ({"inputs": {}}, 422, "inputs.text"),
        ({"inputs": {"text": "a", "txet": "b"}}, 422, "inputs.txet"),
        ({"runner": "somebody"}, 422, "runner"),
        ({"preset_id": "x" * 256}, 422, "preset_id"),
    ],
)
def test_an_invalid_start_names_the_path_of_the_error(
    person: ApiClient, graph: Graph, change: dict[str, Any], status: int, path: str
) -> None:
    wanted = {"graph_id": str(graph.pk), "inputs": {"text": "One."}, **change}
    assert refused(person.post("/executions", wanted), status)["path"] == path


def test_a_run_may_be_started_for_a_worker(person: ApiClient, graph: Graph) -> None:
    wanted = {"graph_id": str(graph.pk), "inputs": {"anything": 1}, "runner": "worker:press"}
    assert ok(person.post("/executions", wanted), 201)["runner"] == "worker:press"


def test_an_execution_of_another_user_is_not_found(stranger: ApiClient, execution: GraphExecution) -> None:
    path = f"/executions/{execution.pk}"
    for answer in (
        *(stranger.get(path), stranger.get(f"{path}/nodes"), stranger.delete(path)),
        *(stranger.post(f"{path}/terminate"), stranger.post(f"{path}/rerun"), stranger.get(f"{path}/events")),
        *(stranger.get(f"/executions/{uuid4()}"), stranger.get("/executions/none"), stranger.get("/executions/%00")),
    ):
        refused(answer, 404)
    assert ok(stranger.get("/executions"))["items"] == []


def test_staff_with_only_view_permission_cannot_stop_an_execution(execution: GraphExecution, other_user: User) -> None:
    other_user.is_staff = True
    other_user.save()
    other_user.user_permissions.add(Permission.objects.get(codename="view_graphexecution"))
    staff = client_of(other_user)
    ok(staff.get(f"/executions/{execution.pk}"))
    refused(staff.post(f"/executions/{execution.pk}/terminate"), 403)
    refused(staff.post(f"/executions/{execution.pk}/rerun"), 403)
    refused(staff.delete(f"/executions/{execution.pk}"), 403)


def test_the_list_is_filtered_by_graph_status_and_time(person: ApiClient, graph: Graph, user: User) -> None:
    other = Graph.objects.create(owner=user, name="Other", nodes=graph.nodes)
    rows = [
        GraphExecution.objects.create(
            graph=graph if index % 2 else other, user=user, created_at=NOON + timedelta(hours=index)
        )
        for index in range(4)
    ]
    report_execution(rows[3], status="RUNNING")

    def found(query: str) -> list[int]:
        ids = [each["id"] for each in ok(person.get(f"/executions?{query}"))["items"]]
        return [next(i for i, row in enumerate(rows) if str(row.pk) == each) for each in ids]

    assert found(f"graph_id={other.pk}") == [2, 0]
    assert found("status=RUNNING") == [3]
    assert found(
        f"created_after={quote((NOON + timedelta(hours=1)).isoformat())}&created_before=2026-05-01T15:00Z"
    ) == [
        2,
        1,
    ]
    assert found(f"graph_id={uuid4()}") == []


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=201", "limit=x", "limit=1e400", "cursor=x", "cursor=%00", "status=RUN", "graph_id=1"),
        *("cursor=MjAyNi0wMS0wMQ", "created_after=yesterday", "created_after=0001-01-01T00:00:00%2B14:00"),
    ],
)
def test_an_invalid_query_names_the_path_of_the_error(person: ApiClient, query: str) -> None:
    assert refused(person.get(f"/executions?{query}"), 422)["path"] == query.split("=")[0]


def test_nodes_of_all_attempts_are_listed_oldest_first(person: ApiClient, execution: GraphExecution) -> None:
    for index in range(3):
        NodeExecution.objects.create(graph_execution=execution, node_id=f"n{index}", attempt=1 + index % 2)
    first = ok(person.get(f"/executions/{execution.pk}/nodes?limit=2"))
    rest = ok(person.get(f"/executions/{execution.pk}/nodes?cursor={first['next_cursor']}"))
    assert [each["node_id"] for each in first["items"] + rest["items"]] == ["n0", "n1", "n2"]
    assert rest["next_cursor"] is None
