"""The pages with teams: members read, outsiders find nothing."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client

from executions.models import GraphExecution
from executions.services import report_node
from tests.executions.teams import Team, team
from tests.executions.web.pages import text_of, url

__all__ = ["team"]

pytestmark = pytest.mark.django_db


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_a_member_sees_the_runs_and_graphs_of_his_team_with_their_owner(team: Team) -> None:
    member = browser_of(team.member)
    assert "Text of owner" in text_of(member.get(url("execution-list")))
    assert "Text (of owner)" in text_of(member.get(url("execution-start")))
    assert str(team.graph.pk) in member.get(url("execution-list")).content.decode()  # live
    node = report_node(team.execution, node_id="split", status="COMPLETED", output_data={"sentences": [["One."]]})
    run = member.get(url("execution-detail", team.execution.pk))
    assert "Terminate" not in text_of(run)
    assert member.get(url("node-data", team.execution.pk, node.pk)).json()["output_data"] == {"sentences": [["One."]]}
    assert member.get(url("execution-results", team.execution.pk)).status_code == 200
    assert member.post(url("execution-terminate", team.execution.pk)).status_code == 403


def test_a_member_starts_a_graph_of_his_team_for_the_team(team: Team) -> None:
    member = browser_of(team.member)
    answer = member.post(url("execution-start"), {"graph": team.graph.pk, "input-text": "One."})
    run = GraphExecution.objects.get(user=team.member)
    assert answer["Location"] == url("execution-detail", run.pk)
    assert run.team_id == str(team.group.pk)


def test_an_outsider_finds_nothing(team: Team) -> None:
    outsider = browser_of(team.outsider)
    node = report_node(team.execution, node_id="split", status="RUNNING")
    for execution, of_node in ((team.execution.pk, node.pk), (uuid4(), uuid4())):
        answers: list[Any] = [
            *(outsider.get(url(name, execution)) for name in ("execution-detail", "execution-results")),
            outsider.get(url("node-data", execution, of_node)),
            outsider.post(url("execution-terminate", execution)),
        ]
        assert [answer.status_code for answer in answers] == [404] * 4
    assert "Nothing has run yet" in text_of(outsider.get(url("execution-list")))
    assert "There is nothing to start" in text_of(outsider.get(url("execution-start")))
    answer = outsider.post(url("execution-start"), {"graph": team.graph.pk, "input-text": "One."})
    assert answer.status_code == 422
    assert GraphExecution.objects.count() == 1
