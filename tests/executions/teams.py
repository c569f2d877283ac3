"""Teams of groups: a setting, two teams, their members, a graph and an execution of the first."""

from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import Group, User
from pytest_django import Settings

from executions.models import Graph, GraphExecution
from executions.services import start_execution

TEAMS = "executions.access_policies.TeamsOfGroups"


class Team(NamedTuple):
    """`owner` and `member` are in `group`; `outsider` is in another group."""

    group: Group
    owner: User
    member: User
    outsider: User
    graph: Graph
    execution: GraphExecution


def make_team() -> Team:
    group, other = Group.objects.create(name="press"), Group.objects.create(name="sports")
    owner, member, outsider = (User.objects.create(username=name) for name in ("owner", "member", "outsider"))
    owner.groups.add(group)
    member.groups.add(group)
    outsider.groups.add(other)
    graph = make_graph(owner, group)
    return Team(group, owner, member, outsider, graph, start_execution(graph, user=owner, inputs={"text": "One."}))


def make_graph(owner: User, group: Group | None = None, **fields: Any) -> Graph:
    nodes = [{"id": "split", "block_id": "text.sentences"}]
    team_id = None if group is None else str(group.pk)
    return Graph.objects.create(**{"owner": owner, "name": "Text", "nodes": nodes, "team_id": team_id, **fields})


@pytest.fixture
def team(db: None, settings: Settings) -> Team:
    settings.EXECUTIONS = {**settings.EXECUTIONS, "ACCESS": TEAMS}
    return make_team()
