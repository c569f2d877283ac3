"""Keyset pagination: complete pages, one query a page, and refused cursors."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from executions.api.worker_tokens import create_token
from executions.models import Graph, GraphExecution
from tests.executions.api.conftest import ApiClient, client_of, ok

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_pages_are_complete_and_without_repeats(person: ApiClient, graph: Graph, user: User) -> None:
    """Several rows have the same time, and new rows are inserted between the requests."""
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
    """Runs whose age correlates with their user, graph and status. A query planner assumes that they are
    independent."""
    old, new = {"user": users[0], "graph": graphs[0]}, {"user": users[1], "graph": graphs[1]}
    kinds = [*[{**old, "status": "COMPLETED", "runner": "worker:old"}] * 2_000, *[{**old, "status": "FAILED"}] * 2_000]
    kinds += [*[{**old, "graph": graphs[1], "status": "FAILED"}] * 1_000, *[{**new, "status": "FAILED"}] * 4_000]
    made = [GraphExecution(**kind, created_at=NOON + timedelta(seconds=age)) for age, kind in enumerate(kinds)]
    QuerySet(GraphExecution).bulk_create(made)  # without events
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
    """For all filters, for a person, for staff with permission to see all, and for a worker."""
    other_graph = Graph.objects.create(owner=other_user, name="Other")
    make_many((user, other_user), (graph, other_graph))
    staff = client_of(User.objects.create_superuser("staff"))
    worker = ApiClient(token=create_token("old")[1])
    filters = [{}, {"graph_id": graph.pk}, {"status": "COMPLETED"}, {"graph_id": graph.pk, "status": "COMPLETED"}]
    filters += [{"status": "QUEUED"}, {"graph_id": other_graph.pk, "status": "COMPLETED"}]
    filters += [{"created_after": "2026-05-01T12:10:00Z", "created_before": "2026-05-01T12:40:00Z"}]
    requests = [(client, "/executions", wanted) for client in (person, staff) for wanted in filters]
    requests += [
        (worker, "/worker/executions", wanted) for wanted in ({}, {"status": "COMPLETED"}, {"status": "FAILED"})
    ]
    for client, path, wanted in requests:
        first = ok(client.get(f"{path}?{urlencode({'limit': PAGE, **wanted})}"))
        for more in ({}, {"cursor": first["next_cursor"]} if first["next_cursor"] else {}):
            query = {"limit": PAGE, **wanted, **more}
            with CaptureQueriesContext(connection) as queries:
                ok(client.get(f"{path}?{urlencode(query)}"))
            selects = [each["sql"] for each in queries if 'FROM "executions_graphexecution"' in each["sql"]]
            assert len(selects) == 1
            check_plan(plan_of(selects[0]), (path, wanted))


def check_plan(plan: str, about: object) -> None:
    assert "graph_execution_" in plan, (about, plan)
    if connection.vendor == "postgresql":
        assert "Seq Scan" not in plan, (about, plan)
        removed = sum(int(number) for number in re.findall(r"Rows Removed by Filter: (\d+)", plan))
        read = max(int(number) for number in re.findall(r"actual rows=(\d+)", plan))
        assert removed + read <= 2 * PAGE + 2, (about, plan)
