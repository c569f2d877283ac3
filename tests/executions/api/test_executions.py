"""Executions over HTTP."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from executions.api.worker_tokens import create_token
from executions.models import Graph, GraphExecution, NodeExecution
from executions.services import finish_execution, report_execution, start_execution
from tests.executions.api.conftest import ApiClient, client_of, ok, refused

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_a_run_is_started_listed_terminated_run_again_and_deleted(person: ApiClient, graph: Graph) -> None:
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


def test_a_run_that_was_claimed_is_run_again_by_any_process(person: ApiClient, graph: Graph, user: User) -> None:
    old = start_execution(graph, user=user, inputs={}, runner=f"embedded:{uuid4()}")
    assert ok(person.post(f"/executions/{old.pk}/rerun"), 201)["runner"] == "embedded"


def test_what_has_ended_cannot_be_terminated(person: ApiClient, execution: GraphExecution) -> None:
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
def test_what_cannot_be_started_is_refused_by_its_path(
    person: ApiClient, graph: Graph, change: dict[str, Any], status: int, path: str
) -> None:
    wanted = {"graph_id": str(graph.pk), "inputs": {"text": "One."}, **change}
    assert refused(person.post("/executions", wanted), status)["path"] == path


def test_a_run_may_be_meant_for_a_worker(person: ApiClient, graph: Graph) -> None:
    wanted = {"graph_id": str(graph.pk), "inputs": {"anything": 1}, "runner": "worker:press"}
    assert ok(person.post("/executions", wanted), 201)["runner"] == "worker:press"


def test_somebody_elses_execution_is_not_found(stranger: ApiClient, execution: GraphExecution) -> None:
    path = f"/executions/{execution.pk}"
    for answer in (
        *(stranger.get(path), stranger.get(f"{path}/nodes"), stranger.delete(path)),
        *(stranger.post(f"{path}/terminate"), stranger.post(f"{path}/rerun"), stranger.get(f"{path}/events")),
        *(stranger.get(f"/executions/{uuid4()}"), stranger.get("/executions/none"), stranger.get("/executions/%00")),
    ):
        refused(answer, 404)
    assert ok(stranger.get("/executions"))["items"] == []


def test_staff_that_may_only_see_an_execution_cannot_stop_it(execution: GraphExecution, other_user: User) -> None:
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
def test_a_query_that_means_nothing_is_refused_by_its_path(person: ApiClient, query: str) -> None:
    assert refused(person.get(f"/executions?{query}"), 422)["path"] == query.split("=")[0]


def test_pages_neither_double_nor_leave_out(person: ApiClient, graph: Graph, user: User) -> None:
    """Even where several were made at the same moment, and others come while the pages are read."""
    wanted = {
        str(GraphExecution.objects.create(graph=graph, user=user, created_at=NOON + timedelta(seconds=index // 3)).pk)
        for index in range(10)
    }
    seen: list[str] = []
    cursor = ""
    while True:
        page = ok(person.get(f"/executions?limit=2{cursor}"))
        seen += [each["id"] for each in page["items"]]
        GraphExecution.objects.create(graph=graph, user=user)
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert len(seen) == len(set(seen))
    assert set(seen) == wanted


PAGE = 10


def make_many(users: tuple[User, User], graphs: tuple[Graph, Graph]) -> None:
    """Runs whose age goes with their user, their graph and their status: what a planner takes for unlikely."""
    old, new = {"user": users[0], "graph": graphs[0]}, {"user": users[1], "graph": graphs[1]}
    kinds = [*[{**old, "status": "COMPLETED", "runner": "worker:old"}] * 2_000, *[{**old, "status": "FAILED"}] * 2_000]
    kinds += [*[{**old, "graph": graphs[1], "status": "FAILED"}] * 1_000, *[{**new, "status": "FAILED"}] * 4_000]
    made = [GraphExecution(**kind, created_at=NOON + timedelta(seconds=age)) for age, kind in enumerate(kinds)]
    QuerySet(GraphExecution).bulk_create(made)  # without their events
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def plan_of(sql: str) -> str:
    explain = "EXPLAIN (ANALYZE, TIMING OFF)" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {sql}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


@pytest.mark.django_db(transaction=True)  # for VACUUM
def test_a_page_of_the_list_is_one_query_that_reads_no_more_than_the_page(
    person: ApiClient, user: User, other_user: User, graph: Graph
) -> None:
    """Whatever is filtered, for a person, for staff that sees all, and for a worker."""
    other_graph = Graph.objects.create(owner=other_user, name="Other")
    make_many((user, other_user), (graph, other_graph))
    staff = client_of(User.objects.create_superuser("staff"))
    worker = ApiClient(token=create_token("old")[1])
    filters = [{}, {"graph_id": graph.pk}, {"status": "COMPLETED"}, {"graph_id": graph.pk, "status": "COMPLETED"}]
    filters += [{"status": "QUEUED"}, {"graph_id": other_graph.pk, "status": "COMPLETED"}]
    filters += [{"created_after": "2026-05-01T12:10:00Z", "created_before": "2026-05-01T12:40:00Z"}]
    asked = [(client, "/executions", wanted) for client in (person, staff) for wanted in filters]
    asked += [(worker, "/worker/executions", wanted) for wanted in ({}, {"status": "COMPLETED"}, {"status": "FAILED"})]
    for client, path, wanted in asked:
        first = ok(client.get(f"{path}?{urlencode({'limit': PAGE, **wanted})}"))
        for more in ({}, {"cursor": first["next_cursor"]} if first["next_cursor"] else {}):
            query = {"limit": PAGE, **wanted, **more}
            with CaptureQueriesContext(connection) as queries:
                ok(client.get(f"{path}?{urlencode(query)}"))
            selects = [each["sql"] for each in queries if 'FROM "executions_graphexecution"' in each["sql"]]
            assert len(selects) == 1
            is_read_by_the_page(plan_of(selects[0]), (path, wanted))


def is_read_by_the_page(plan: str, about: object) -> None:
    assert "graph_execution_" in plan, (about, plan)
    if connection.vendor == "postgresql":
        assert "Seq Scan" not in plan, (about, plan)
        thrown_away = sum(int(number) for number in re.findall(r"Rows Removed by Filter: (\d+)", plan))
        read = max(int(number) for number in re.findall(r"actual rows=(\d+)", plan))
        assert thrown_away + read <= 2 * PAGE + 2, (about, plan)


def test_the_nodes_of_all_attempts_are_listed_oldest_first(person: ApiClient, execution: GraphExecution) -> None:
    for index in range(3):
        NodeExecution.objects.create(graph_execution=execution, node_id=f"n{index}", attempt=1 + index % 2)
    first = ok(person.get(f"/executions/{execution.pk}/nodes?limit=2"))
    rest = ok(person.get(f"/executions/{execution.pk}/nodes?cursor={first['next_cursor']}"))
    assert [each["node_id"] for each in first["items"] + rest["items"]] == ["n0", "n1", "n2"]
    assert rest["next_cursor"] is None
