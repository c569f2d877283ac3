"""A page of a list that has several parts: those of a member, and those of his teams."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from executions.access import (
    Asked,
    find_watchable_graphs,
    graphs_visible_to,
    list_executions,
    list_executions_in_parts,
)
from executions.models import Graph, GraphExecution
from tests.executions.api.conftest import ApiClient, client_of, ok
from tests.executions.api.test_paging import NOON, PAGE, check_plan, plan_of
from tests.executions.teams import Team, make_graph, team

__all__ = ["team"]


def all_pages(client: ApiClient, **query: object) -> list[str]:
    ids, cursor = [], {}
    while True:
        page = ok(client.get(f"/executions?{urlencode({'limit': 3, **query, **cursor})}"))
        ids += [each["id"] for each in page["items"]]
        if page["next_cursor"] is None:
            return ids
        cursor = {"cursor": page["next_cursor"]}


@pytest.mark.django_db
def test_pages_have_the_runs_of_all_teams_in_order_and_once(team: Team) -> None:
    """Some of the member's own runs are of a team, and many have the same time."""
    second = Group.objects.create(name="second")
    second.user_set.add(team.member)
    GraphExecution.objects.all().delete()
    graph = make_graph(team.owner)
    kinds = [
        *((team.member, None), (team.member, str(team.group.pk)), (team.owner, str(team.group.pk))),
        *((team.owner, str(second.pk)), (team.owner, None), (team.outsider, "999")),
    ]
    rows = [
        GraphExecution(graph=graph, user=user, team_id=of, created_at=NOON + timedelta(seconds=index // 5))
        for index in range(5)
        for user, of in kinds
    ]
    GraphExecution.objects.bulk_create(rows)
    visible = [
        row for row in rows if row.user_id == team.member.pk or row.team_id in (str(team.group.pk), str(second.pk))
    ]
    ordered = [str(row.pk) for row in sorted(visible, key=lambda row: (row.created_at, row.pk), reverse=True)]
    member = client_of(team.member)
    assert all_pages(member) == all_pages(member, graph_id=graph.pk) == all_pages(member, status="QUEUED") == ordered
    assert all_pages(member, created_after=(NOON + timedelta(hours=1)).isoformat()) == []
    assert all_pages(client_of(team.outsider)) == [
        str(row.pk)
        for row in sorted(rows, key=lambda row: (row.created_at, row.pk), reverse=True)
        if row.user_id == team.outsider.pk
    ]


@pytest.mark.django_db
def test_a_member_of_many_teams_has_one_part_for_all(team: Team) -> None:
    Group.objects.bulk_create([Group(name=f"group{number}") for number in range(1_100)])
    team.member.groups.set(Group.objects.all())
    assert len(list_executions_in_parts(team.member)) == 2
    assert all_pages(client_of(team.member)) == [str(team.execution.pk)]
    assert find_watchable_graphs([Asked(team.member, team.graph.pk)]) == [(team.graph.pk, team.owner.pk)]


def make_many(team: Team, second: Group) -> None:
    """Runs whose age correlates with their user and team: those of the member are the oldest."""
    graph = {"graph": team.graph, "status": "COMPLETED"}
    own, others = {**graph, "user": team.member}, {**graph, "user": team.owner}
    kinds = [*[own] * 1_000, *[{**own, "team_id": str(team.group.pk)}] * 1_000]
    kinds += [*[{**others, "team_id": str(team.group.pk)}] * 2_000, *[{**others, "team_id": str(second.pk)}] * 2_000]
    kinds += [*[others] * 3_000, *[{**others, "status": "FAILED", "team_id": "999"}] * 3_000]
    rows = [GraphExecution(**kind, created_at=NOON + timedelta(seconds=age)) for age, kind in enumerate(kinds)]
    QuerySet(GraphExecution).bulk_create(rows)  # without events
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


@pytest.mark.django_db(transaction=True)  # for VACUUM
@pytest.mark.postgres
def test_a_page_of_a_member_reads_no_more_than_a_page_of_each_part(team: Team) -> None:
    """One query finds the keys, by an index of each part, and one reads the rows."""
    second = Group.objects.create(name="second")
    second.user_set.add(team.member)
    make_many(team, second)
    member = client_of(team.member)
    filters: list[dict[str, object]] = [{}, {"status": "COMPLETED"}, {"status": "FAILED"}, {"status": "QUEUED"}]
    filters += [{"graph_id": team.graph.pk}, {"graph_id": team.graph.pk, "status": "COMPLETED"}]
    filters += [{"created_after": datetime(2026, 5, 1, 12, 50, tzinfo=UTC).isoformat()}]
    for wanted in filters:
        first = ok(member.get(f"/executions?{urlencode({'limit': PAGE, **wanted})}"))
        for more in ({}, {"cursor": first["next_cursor"]} if first["next_cursor"] else {}):
            with CaptureQueriesContext(connection) as queries:
                ok(member.get(f"/executions?{urlencode({'limit': PAGE, **wanted, **more})}"))
            selects = [each["sql"] for each in queries if 'FROM "executions_graphexecution"' in each["sql"]]
            assert 1 <= len(selects) <= 2  # a page without rows has no second one
            plan = plan_of(selects[0])
            if wanted.get("status") != "QUEUED" and "graph_id" not in wanted:  # other indexes are better for these
                assert plan.count("graph_execution_of_team") == 2, plan
                assert "graph_execution_of_user" in plan, plan
            for part in plan.split("->  Limit")[1:]:
                if "team_id" in part:  # test_paging.py has the others
                    check_plan(part, wanted)
            assert "Seq Scan" not in "".join(map(plan_of, selects)), selects


@pytest.mark.django_db(transaction=True)  # for VACUUM
@pytest.mark.postgres
def test_a_member_s_graphs_and_the_page_of_his_runs_are_found_by_indexes(team: Team) -> None:
    """The page counts all rows, so it reads them all: by an index of each part."""
    second = Group.objects.create(name="second")
    second.user_set.add(team.member)
    make_many(team, second)
    strangers = User.objects.bulk_create([User(username=f"stranger{number}") for number in range(100)])
    graphs = [Graph(owner=each, name="Other", team_id=f"t{each}") for each in strangers for _ in range(50)]
    Graph.objects.bulk_create(graphs)
    QuerySet(GraphExecution).bulk_create([GraphExecution(graph=each, user=each.owner) for each in graphs])
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    for rows, names in (
        (graphs_visible_to(team.member), ("graph_of_team", "owner_id")),
        (list_executions(team.member, status="FAILED"), ("graph_execution_of_team_status", "graph_execution_of_user")),
    ):
        plan = rows.order_by("-created_at")[:PAGE].explain(analyze=True)
        assert "Seq Scan" not in plan, plan
        for name in names:
            assert name in plan, plan
