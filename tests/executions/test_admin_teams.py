"""The organization and the team of graphs and executions in the admin."""

import pytest
from django.test import Client

from executions.models import Graph, GraphExecution
from tests.executions.admin_pages import change_url, form_of, url

pytestmark = pytest.mark.django_db


def test_an_administrator_sets_and_clears_the_team_of_a_graph(admin: Client, graph: Graph) -> None:
    form = form_of(admin, graph)
    assert admin.post(change_url(graph), {**form, "organization_id": "org", "team_id": "7"}).status_code == 302
    graph.refresh_from_db()
    assert (graph.organization_id, graph.team_id, graph.version) == ("org", "7", 1)
    assert admin.post(change_url(graph), form).status_code == 302
    graph.refresh_from_db()
    assert (graph.organization_id, graph.team_id) == (None, None)


def test_an_execution_that_is_added_gets_the_team_of_its_graph(admin: Client, graph: Graph) -> None:
    graph.organization_id, graph.team_id = "org", "7"
    graph.save()
    data = {"user": graph.owner_id, "graph": graph.pk, "inputs": "{}"}
    assert admin.post(url("graphexecution_add"), data).status_code == 302
    execution = GraphExecution.objects.get()
    assert (execution.organization_id, execution.team_id) == ("org", "7")


def test_rows_are_searched_by_their_team(admin: Client, execution: GraphExecution) -> None:
    GraphExecution.objects.update(team_id="team-seven")
    Graph.objects.update(team_id="team-seven")
    for name in ("graph", "graphexecution"):
        for query, count in (("team-seven", 1), ("team", 0)):
            page = admin.get(url(f"{name}_changelist"), {"q": query})
            assert len(page.context["cl"].result_list) == count
