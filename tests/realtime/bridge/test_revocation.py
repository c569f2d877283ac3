"""A graph that gets another owner, an execution that gets another team, and a session that its person ends."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from executions.models import Graph, GraphExecution, UserSession
from executions.services import report_execution, report_node, requeue_execution, terminate_execution
from executions.web.sessions import end_other_sessions
from tests.executions.admin_pages import change_url, form_of
from tests.executions.teams import TEAMS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("fields", [None, ["owner"], ["owner_id"]])
def test_the_former_owner_is_looked_at_again(
    graph: Graph, user: User, other_user: User, sent: list[Any], fields: Any
) -> None:
    graph.owner = other_user
    graph.save(update_fields=fields)
    assert sent == [{"users": [str(user.pk)], "stream": f"{user.pk}|graph#{graph.pk}|executions"}]


def test_another_save_sends_nothing(graph: Graph, sent: list[Any], user: User) -> None:
    graph.name = "Another name"
    graph.save()
    graph.save(update_fields=["name"])
    Graph.objects.create(owner=user, name="New")
    assert sent == []


def test_the_person_of_an_ended_session_is_looked_at_again(user: User, other_user: User, sent: list[Any]) -> None:
    for each in (user, other_user):
        UserSession.objects.create(user=each, session_key=f"of{each.pk}")
    assert end_other_sessions(user, None) == 1
    assert [fields["users"] for fields in sent] == [[str(user.pk)]]


@pytest.fixture
def with_teams(settings: Settings) -> None:
    settings.EXECUTIONS = {**settings.EXECUTIONS, "ACCESS": TEAMS}


def queries_of(work: Any) -> int:
    with CaptureQueriesContext(connection) as queries:
        work()
    return len(queries)


@pytest.mark.usefixtures("with_teams")
def test_those_who_watch_an_execution_are_looked_at_when_its_team_changes(
    execution: GraphExecution, sent: list[Any]
) -> None:
    key = f"{execution.user_id}|graph_exec#{execution.pk}"
    execution.team_id = "1"
    execution.save()
    execution.organization_id = "org"
    execution.save(update_fields=["organization_id"])
    GraphExecution.objects.update(team_id=None)
    assert sent == [{"streams": [key]}] * 3


@pytest.mark.usefixtures("with_teams")
def test_an_edit_in_the_admin_is_seen(execution: GraphExecution, sent: list[Any], client: Client) -> None:
    client.force_login(User.objects.create_superuser("admin"))
    form = form_of(client, execution)
    assert client.post(change_url(execution), {**form, "team_id": "1"}).status_code == 302
    execution.refresh_from_db()
    assert (execution.team_id, execution.organization_id) == ("1", None)
    assert sent == [{"streams": [f"{execution.user_id}|graph_exec#{execution.pk}"]}]


@pytest.mark.usefixtures("with_teams")
def test_writes_that_do_not_change_the_team_send_nothing(execution: GraphExecution, sent: list[Any]) -> None:
    execution.save()
    execution.save(update_fields=["status"])
    execution.team_id = "1"
    execution.save(update_fields=["status"])
    GraphExecution.objects.update(status="RUNNING")
    GraphExecution.objects.create(graph=execution.graph, user=execution.user, team_id="1")
    GraphExecution.objects.bulk_create([GraphExecution(graph=execution.graph, user=execution.user, team_id="1")])
    assert sent == []


@pytest.mark.usefixtures("with_teams")
def test_a_change_that_is_refused_or_rolled_back_sends_nothing(execution: GraphExecution, sent: list[Any]) -> None:
    execution.team_id, execution.status = "1", "NONSENSE"
    with pytest.raises(ValueError, match="NONSENSE"):
        execution.save()
    execution.refresh_from_db()
    execution.save()
    assert sent == []


def test_without_teams_a_change_costs_and_sends_nothing(execution: GraphExecution, sent: list[Any]) -> None:
    execution.team_id = "1"
    execution.save()
    GraphExecution.objects.update(team_id="2")
    assert sent == []


def test_teams_cost_a_report_no_query(execution: GraphExecution, settings: Settings) -> None:
    """A save that writes the team costs one, to see whether it changes."""

    def reports() -> None:
        report_execution(execution, status="RUNNING")
        report_node(execution, node_id="split", status="COMPLETED", output_data={"sentences": [["One."]]})
        execution.refresh_from_db()
        execution.lease_seconds = 7
        execution.save(update_fields=["lease_seconds", "status"])
        terminate_execution(execution)
        GraphExecution.objects.filter(pk=execution.pk).update(lease_seconds=8)

    before = queries_of(reports)
    requeue_execution(execution)
    execution.node_executions.all().delete()
    settings.EXECUTIONS = {**settings.EXECUTIONS, "ACCESS": TEAMS}
    assert queries_of(reports) == before
