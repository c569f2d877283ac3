"""The page of one run, and terminating it."""

import re
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from executions.models import Graph, GraphExecution, NodeExecution
from executions.services import finish_execution, report_execution, report_node, terminate_execution
from executions.web import lookup, views
from tests.executions.web.pages import Queries, text_of, url


def test_a_run_is_shown_with_its_nodes_inputs_and_outputs(page: Client, user: User, sample: Graph) -> None:
    execution = GraphExecution.objects.create(user=user, graph=sample, definition=sample.definition)
    report_execution(execution, status="RUNNING")
    report_node(execution, node_id="prose", block_id="text.prose", status="RUNNING", input_data={"text": "# A b"})
    report_node(execution, node_id="prose", status="COMPLETED", output_data={"text": ["A b"]})
    text = text_of(page.get(url("execution-detail", execution.pk)))
    assert "1 of 6" in text
    assert re.search(r"Prose Completed .* Block text.prose Input text # A b Output text A b", text)
    assert "Key sentences Waiting" in text


def test_nodes_that_can_run_in_parallel_share_a_stage(page: Client, user: User, sample: Graph) -> None:
    execution = GraphExecution.objects.create(user=user, graph=sample, definition=sample.definition)
    stages = page.get(url("execution-detail", execution.pk)).context["run"].stages
    assert [[node.id for node in stage] for stage in stages] == [
        ["prose"],
        ["sentences", "words"],
        ["readability", "key"],
        ["report"],
    ]


@pytest.mark.parametrize("definition", [{}, {"nodes": 5}, {"nodes": [{"id": 1}]}, {"nodes": [], "links": [{}]}, [], ""])
def test_nodes_are_shown_with_any_definition(page: Client, execution: GraphExecution, definition: Any) -> None:
    GraphExecution.objects.filter(pk=execution.pk).update(definition=definition)
    NodeExecution.objects.create(graph_execution=execution, node_id="mine", block_id="my.block")
    assert "mine Queued" in text_of(page.get(url("execution-detail", execution.pk)))
    assert page.get(url("execution-list")).status_code == 200


def test_only_the_present_attempt_is_shown(page: Client, execution: GraphExecution) -> None:
    report_execution(execution, status="RUNNING")
    report_node(execution, node_id="earlier", status="RUNNING")
    execution = terminate_execution(execution)
    execution.attempt += 1
    execution.save()
    assert "earlier" not in text_of(page.get(url("execution-detail", execution.pk)))


def test_a_report_is_shown_as_html(page: Client, execution: GraphExecution) -> None:
    report_execution(execution, status="RUNNING")
    finish_execution(execution, outputs={"report": ["# Title\n\n**strong**"], "count": [3]})
    content = page.get(url("execution-detail", execution.pk)).content.decode()
    assert "<h3>Title</h3>\n<p><strong>strong</strong></p>" in content
    assert "Outputs count 3" in text_of(page.get(url("execution-detail", execution.pk)))


def test_a_failed_run_shows_its_error(page: Client, execution: GraphExecution) -> None:
    finish_execution(execution, status="FAILED", error="The text is empty.")
    text = text_of(page.get(url("execution-detail", execution.pk)))
    assert "Failed" in text
    assert "What went wrong The text is empty." in text


def test_without_javascript_the_page_refreshes_until_the_run_has_ended(page: Client, execution: GraphExecution) -> None:
    refresh = b'<noscript><meta http-equiv="refresh"'
    assert refresh in page.get(url("execution-detail", execution.pk)).content
    terminate_execution(execution)
    assert refresh not in page.get(url("execution-detail", execution.pk)).content


def test_without_javascript_the_events_come_from_the_rows(page: Client, execution: GraphExecution) -> None:
    report_execution(execution, status="RUNNING")
    report_node(execution, node_id="split", status="RUNNING")
    terminate_execution(execution)
    happenings = page.get(url("execution-detail", execution.pk)).context["run"].happenings
    assert {(each.what, each.status) for each in happenings} == {
        ("Run", "QUEUED"),
        ("Run", "RUNNING"),
        ("split", "RUNNING"),
        ("split", "TERMINATED"),
        ("Run", "TERMINATED"),
    }


def test_a_long_value_is_cut_and_a_link_leads_to_all_of_it(page: Client, execution: GraphExecution) -> None:
    report_execution(execution, status="RUNNING")
    node = report_node(execution, node_id="split", status="RUNNING", output_data={"text": ["x" * 500_000]})
    response = page.get(url("execution-detail", execution.pk))
    assert len(response.content) < 20_000
    assert "and 498000 more characters" in text_of(response)
    whole = page.get(url("node-data", execution.pk, node.pk))
    assert whole["Content-Type"] == "application/json"
    assert whole.json()["output_data"] == {"text": ["x" * 500_000]}


def test_the_page_of_a_run_takes_few_queries(
    page: Client, execution: GraphExecution, django_assert_num_queries: Queries
) -> None:
    NodeExecution.objects.bulk_create(
        NodeExecution(graph_execution=execution, node_id=f"n{each}") for each in range(30)
    )
    # session, user, execution, nodes, sizes of their data, data, graph, notifications
    with django_assert_num_queries(8):
        page.get(url("execution-detail", execution.pk))


@pytest.mark.parametrize("name", ["execution-detail", "execution-results", "execution-terminate", "node-data"])
@pytest.mark.parametrize("id_of", ["other's", "missing", "nonsense"])
def test_a_run_of_another_user_is_not_found(
    page: Client, graph: Graph, other_user: User, name: str, id_of: str
) -> None:
    other = GraphExecution.objects.create(user=other_user, graph=graph)
    node = NodeExecution.objects.create(graph_execution=other, node_id="n")
    id = {"other's": other.pk, "missing": uuid4(), "nonsense": "x<b>"}[id_of]
    args = [id, node.pk] if name == "node-data" else [id]
    response = page.post(url(name, *args)) if name == "execution-terminate" else page.get(url(name, *args))
    assert response.status_code == 404
    other.refresh_from_db()
    assert other.status == "QUEUED"


def test_a_missing_run_has_an_error_page(page: Client) -> None:
    assert "There is no such page" in text_of(page.get(url("execution-detail", uuid4())))


@pytest.mark.parametrize("id", ["nonsense", pytest.param(str(uuid4()), id="missing")])
def test_a_missing_node_is_not_found(page: Client, execution: GraphExecution, id: str) -> None:
    assert page.get(url("node-data", execution.pk, id)).status_code == 404


def test_a_run_can_be_terminated(page: Client, execution: GraphExecution) -> None:
    response = page.post(url("execution-terminate", execution.pk), follow=True)
    execution.refresh_from_db()
    assert execution.status == "TERMINATED"
    assert "Terminated" in text_of(response)


def test_terminating_an_ended_run_changes_nothing(page: Client, execution: GraphExecution) -> None:
    finish_execution(execution, status="FAILED")
    response = page.post(url("execution-terminate", execution.pk), follow=True)
    execution.refresh_from_db()
    assert (execution.status, response.status_code) == ("FAILED", 200)


def test_terminating_needs_a_post_with_a_csrf_token(user: User, execution: GraphExecution) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    assert browser.get(url("execution-terminate", execution.pk)).status_code == 405
    assert browser.post(url("execution-terminate", execution.pk)).status_code == 403
    execution.refresh_from_db()
    assert execution.status == "QUEUED"


def test_the_access_rules_decide_who_may_terminate_a_run(
    page: Client, execution: GraphExecution, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (lookup, views):
        monkeypatch.setattr(module, "may_change", lambda user, execution: False)
    assert page.post(url("execution-terminate", execution.pk)).status_code == 403
    assert url("execution-terminate", execution.pk) not in page.get(url("execution-detail", execution.pk)).text


def test_a_user_who_may_only_view_a_run_cannot_terminate_it(
    page: Client, user: User, graph: Graph, other_user: User
) -> None:
    execution = GraphExecution.objects.create(user=other_user, graph=graph)
    user.is_staff = True
    user.save()
    user.user_permissions.add(Permission.objects.get(codename="view_graphexecution"))
    assert b'id="terminate"' not in page.get(url("execution-detail", execution.pk)).content
    assert page.post(url("execution-terminate", execution.pk)).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="change_graphexecution"))
    assert page.post(url("execution-terminate", execution.pk)).status_code == 302
