"""Access with teams: who sees what, and what many questions at once cost."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from executions import access
from executions.access import Asked
from executions.access_policies import OwnersAndStaff
from executions.models import Graph, GraphExecution
from executions.services import start_execution
from tests.executions.teams import Team, make_graph, team

__all__ = ["team"]


class Everything(OwnersAndStaff):
    """Lets everybody see and change all."""

    def executions(self, user: Any) -> Q:
        return Q(attempt__gte=1)

    def graphs(self, user: Any) -> Q:
        return Q(version__gte=1)

    def sees_all_executions(self, user: Any) -> bool:
        return True

    def sees_all_graphs(self, user: Any) -> bool:
        return True

    def may_change_execution(self, user: Any, execution: Any, verb: str) -> bool:
        return True

    def may_change_graph(self, user: Any, graph: Any, verb: str) -> bool:
        return True

    def may_assign(self, user: Any, organization_id: str | None, team_id: str | None) -> bool:
        return True


class LeftBehind(OwnersAndStaff):
    """Takes runs of an organization from those who started them."""

    def executions(self, user: Any) -> Q:
        return Q(user=user.pk, organization_id=None)


def sees(user: Any, team: Team) -> tuple[bool, bool]:
    """Whether the user sees the execution and its graph. All ways to ask must agree."""
    execution, graph = team.execution, team.graph
    found = (
        access.find_execution(user, execution.pk) is not None,
        access.find_watchable_graph(user, graph.pk) is not None,
    )
    assert access.executions_visible_to(user).filter(pk=execution.pk).exists() is found[0]
    for filters in ({}, {"graph_id": graph.pk}, {"status": "QUEUED"}, {"graph_id": graph.pk, "status": "QUEUED"}):
        assert access.list_executions(user, **filters).filter(pk=execution.pk).exists() is found[0]
        parts = access.list_executions_in_parts(user, **filters)
        assert any(part.filter(pk=execution.pk).exists() for part in parts) is found[0]
    assert access.find_executions([Asked(user, execution.pk)]) == [(execution.pk, team.owner.pk) if found[0] else None]
    assert access.find_watchable_graphs([Asked(user, graph.pk)]) == [(graph.pk, team.owner.pk) if found[1] else None]
    return found


def test_members_see_what_is_of_their_team_and_change_nothing(team: Team) -> None:
    assert sees(team.owner, team) == sees(team.member, team) == (True, True)
    assert sees(team.outsider, team) == (False, False)
    assert access.find_graph(team.member, team.graph.pk) == team.graph
    for verb in ("change", "delete"):
        assert access.may_change(team.owner, team.execution, verb)
        assert access.may_change_graph(team.owner, team.graph, verb)
        assert not access.may_change(team.member, team.execution, verb)
        assert not access.may_change_graph(team.member, team.graph, verb)


def test_what_has_no_team_stays_with_its_owner(team: Team) -> None:
    GraphExecution.objects.update(team_id=None)
    Graph.objects.update(team_id=None)
    assert sees(team.owner, team) == (True, True)
    assert sees(team.member, team) == (False, False)


def test_without_the_setting_a_team_means_nothing(team: Team, settings: Settings) -> None:
    settings.EXECUTIONS = {}
    assert sees(team.owner, team) == (True, True)
    assert sees(team.member, team) == (False, False)


def test_the_team_of_a_deleted_group_has_no_members(team: Team) -> None:
    team.group.delete()
    assert sees(team.member, team) == (False, False)
    Group.objects.create(name="new").user_set.add(team.member)
    assert sees(User.objects.get(pk=team.member.pk), team) == (False, False)


def test_staff_see_all_with_teams_too(team: Team) -> None:
    assert sees(User.objects.create_superuser("boss"), team) == (True, True)


def test_a_graph_that_a_member_has_started_stays_watchable_with_his_own_executions(team: Team) -> None:
    start_execution(team.graph, user=team.member)
    Graph.objects.update(team_id=None)
    assert access.find_graph(team.member, team.graph.pk) is None
    assert sees(team.member, team) == (True, True)  # the executions are still of the team
    team.group.user_set.clear()
    assert sees(User.objects.get(pk=team.member.pk), team) == (False, True)


@pytest.mark.parametrize("nobody", [AnonymousUser(), None, "inactive"])
def test_a_policy_opens_nothing_for_users_who_are_not_active(team: Team, settings: Settings, nobody: Any) -> None:
    settings.EXECUTIONS = {"ACCESS": f"{__name__}.Everything"}
    assert sees(team.outsider, team) == (True, True)
    assert access.may_change(team.outsider, team.execution)
    if nobody == "inactive":
        nobody = User.objects.create(username="gone", is_active=False)
    assert sees(nobody, team) == (False, False)
    assert not access.may_change(nobody, team.execution)
    assert not access.may_change_graph(nobody, team.graph)
    assert not access.may_assign(nobody, None, None)


def test_a_policy_may_take_rows_from_their_owner(team: Team, settings: Settings) -> None:
    settings.EXECUTIONS = {"ACCESS": f"{__name__}.LeftBehind"}
    start_execution(team.graph, user=team.outsider)
    assert sees(team.owner, team) == (True, True)
    assert sees(team.outsider, team) == (False, True)
    GraphExecution.objects.update(organization_id="org")
    assert sees(team.owner, team) == (False, True)
    assert sees(team.outsider, team) == (False, False)


def ask_for_all(users: list[User], rows: list[Any]) -> tuple[list[Any], int]:
    """The answers, and how many queries they took."""
    asked = [Asked(user, row.pk) for user in users for row in rows]
    find = access.find_executions if isinstance(rows[0], GraphExecution) else access.find_watchable_graphs
    with CaptureQueriesContext(connection) as queries:
        answers = find(asked)
    return answers, len(queries)


def test_many_members_are_asked_about_in_a_few_queries(team: Team) -> None:
    members = [User.objects.create(username=f"member{number}") for number in range(60)]
    team.group.user_set.add(*members)
    graphs = [make_graph(team.owner, team.group) for _ in range(3)]
    runs = [start_execution(graph, user=team.owner) for graph in graphs]
    for rows in (runs, graphs):
        answers, queries = ask_for_all(members, rows)
        assert answers == [(row.pk, team.owner.pk) for row in rows] * 60
        assert queries == 4  # owners, groups, twice up to 50 members
    team.group.user_set.clear()
    answers, queries = ask_for_all(members, runs)
    assert answers == [None] * 180
    assert queries == 4


def test_owners_cost_one_query_and_strangers_one_more(team: Team, settings: Settings) -> None:
    assert ask_for_all([team.owner], [team.execution])[1] == 1
    settings.EXECUTIONS = {}
    assert ask_for_all([team.owner], [team.execution])[1] == 1
    assert ask_for_all([team.owner, team.member, team.outsider], [team.execution])[1] == 2


def test_answers_go_to_those_who_asked(team: Team) -> None:
    mine = start_execution(make_graph(team.outsider), user=team.outsider)
    twin = User.objects.get(pk=team.member.pk)  # another object of the same user
    asked = [
        *(Asked(team.member, mine.pk), Asked(team.outsider, mine.pk), Asked(twin, team.execution.pk.hex)),
        *(Asked(team.outsider, str(team.execution.pk)), Asked(team.member, uuid4()), Asked(None, mine.pk)),
        *(Asked(team.member, "no uuid"), Asked(team.member, None), Asked(team.member, str(team.execution.pk).upper())),
    ]
    theirs = (team.execution.pk, team.owner.pk)
    assert access.find_executions(asked) == [
        *(None, (mine.pk, team.outsider.pk), theirs, None, None, None),
        *(None, None, theirs),
    ]
    assert access.find_executions([]) == []


def test_more_rows_than_one_query_takes(team: Team) -> None:
    rows = [GraphExecution(graph=team.graph, user=team.owner, team_id=str(team.group.pk)) for _ in range(1_001)]
    GraphExecution.objects.bulk_create(rows)
    answers, queries = ask_for_all([team.member, team.outsider], rows)
    assert answers == [(row.pk, team.owner.pk) for row in rows] + [None] * 1_001
    assert queries == 3 + 1 + 1
