"""The organization and the team of a graph: who may set them, and where they go."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User

from executions.api.worker_tokens import create_token
from executions.models import Graph, GraphExecution
from executions.services import start_execution
from tests.executions.api.conftest import ApiClient, client_of, ok, refused
from tests.executions.teams import Team, make_graph, team

__all__ = ["team"]

pytestmark = pytest.mark.django_db

WANTED: dict[str, Any] = {"name": "Text", "nodes": [{"id": "split", "block_id": "text.sentences"}]}


def test_a_graph_has_no_team_unless_it_is_given_one(person: ApiClient) -> None:
    made = ok(person.post("/graphs", WANTED), 201)
    assert (made["organization_id"], made["team_id"]) == (None, None)


@pytest.mark.parametrize("field", ["organization_id", "team_id"])
def test_without_teams_nobody_may_name_one(person: ApiClient, graph: Graph, field: str) -> None:
    for answer in (
        person.post("/graphs", {**WANTED, field: "1"}),
        person.put(f"/graphs/{graph.pk}", {**WANTED, field: "1"}),
    ):
        error = refused(answer, 403)
        assert (error["code"], error["path"]) == ("not_your_team", field)
        assert "leave both out" in error["hint"]
    assert Graph.objects.filter(team_id=None, organization_id=None).count() == 1
    ok(person.put(f"/graphs/{graph.pk}", {**WANTED, field: None}))


def test_a_member_puts_a_graph_into_his_team_and_takes_it_out(team: Team) -> None:
    member, own = client_of(team.member), str(team.group.pk)
    made = ok(member.post("/graphs", {**WANTED, "team_id": own}), 201)
    path = f"/graphs/{made['id']}"
    assert made["team_id"] == own
    assert ok(client_of(team.owner).get(path)) == made
    assert ok(member.put(path, {**WANTED, "name": "Renamed"}))["team_id"] == own  # an older client names no team
    refused(client_of(team.owner).put(path, {**WANTED, "team_id": None}), 403)
    assert ok(member.put(path, {**WANTED, "team_id": None}))["team_id"] is None
    refused(client_of(team.owner).get(path), 404)


def test_a_team_that_is_not_yours_and_one_that_does_not_exist_get_the_same_answer(team: Team) -> None:
    outsider = client_of(team.outsider)
    answers = [
        refused(outsider.post("/graphs", {**WANTED, "team_id": each}), 403) for each in (str(team.group.pk), "999", "x")
    ]
    assert answers == answers[:1] * 3


def test_who_has_left_a_team_may_keep_his_graph_there_and_change_it(team: Team) -> None:
    team.group.user_set.remove(team.owner)
    owner, path = client_of(team.owner), f"/graphs/{team.graph.pk}"
    assert ok(owner.put(path, {**WANTED, "team_id": str(team.group.pk)}))["team_id"] == str(team.group.pk)
    ok(owner.put(path, {**WANTED, "team_id": None}))
    refused(owner.put(path, {**WANTED, "team_id": str(team.group.pk)}), 403)


def test_staff_who_may_change_graphs_name_any_team(graph: Graph, other_user: User) -> None:
    other_user.is_staff = True
    other_user.save()
    other_user.user_permissions.set(Permission.objects.filter(codename__in=["view_graph", "change_graph"]))
    changed = {**WANTED, "organization_id": "org", "team_id": "any"}
    answer = ok(client_of(other_user).put(f"/graphs/{graph.pk}", changed))
    assert (answer["organization_id"], answer["team_id"]) == ("org", "any")


@pytest.mark.parametrize("value", ["", "x" * 256, 7, "a\x00"])
def test_a_name_of_a_team_has_bounds(person: ApiClient, value: Any) -> None:
    assert refused(person.post("/graphs", {**WANTED, "team_id": value}), 422)["path"] == "team_id"


def test_an_execution_gets_the_team_of_its_graph_unless_the_caller_names_another(user: User) -> None:
    graph = make_graph(user, organization_id="org", team_id="1")

    def of(**options: Any) -> tuple[str | None, str | None]:
        run = start_execution(graph, user=user, **options)
        return run.organization_id, run.team_id

    assert of() == ("org", "1")
    assert of(team_id="2") == ("org", "2")
    assert of(organization_id=None, team_id=None) == (None, None)


def test_a_person_starts_and_repeats_a_run_in_the_team_of_the_graph(user: User, person: ApiClient) -> None:
    graph = make_graph(user, organization_id="org", team_id="1")
    started = ok(person.post("/executions", {"graph_id": str(graph.pk), "inputs": {"text": "One."}}), 201)
    assert (started["organization_id"], started["team_id"]) == ("org", "1")
    Graph.objects.update(team_id="2")
    again = ok(person.post(f"/executions/{started['id']}/rerun"), 201)
    assert (again["organization_id"], again["team_id"]) == ("org", "1")  # as it was


def test_a_worker_leaves_the_team_to_the_graph_or_names_one(user: User) -> None:
    graph = make_graph(user, organization_id="org", team_id="1")
    worker = ApiClient(token=create_token("press")[1])
    wanted = {"username": user.username, "graph_id": str(graph.pk)}
    for named, expected in (({}, ("org", "1")), ({"team_id": "2"}, ("org", "2")), ({"team_id": None}, ("org", None))):
        made = ok(worker.post("/worker/executions", {**wanted, **named}), 201)
        assert (made["organization_id"], made["team_id"]) == expected


def test_a_worker_starts_a_graph_of_the_team_only_if_its_token_names_it(team: Team) -> None:
    """A token for all, or for users, is for graphs of their own."""
    wanted = {"username": "member", "graph_id": str(team.graph.pk)}
    for name, scope in {"all": {}, "user": {"users": [team.member]}}.items():
        refused(ApiClient(token=create_token(name, **scope)[1]).post("/worker/executions", wanted), 404)
    named = ApiClient(token=create_token("graph", graphs=[team.graph])[1])
    made = ok(named.post("/worker/executions", wanted), 201)
    assert (made["user_id"], made["team_id"]) == (str(team.member.pk), str(team.group.pk))
    refused(named.post("/worker/executions", {**wanted, "username": "outsider"}), 404)
    Group.objects.all().delete()
    refused(named.post("/worker/executions", wanted), 404)
    assert GraphExecution.objects.filter(user=team.member).count() == 1
