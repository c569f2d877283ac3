"""The page of a run with many nodes: it draws and loads a bounded number of them."""

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from executions.models import Graph, GraphExecution, NodeExecution
from executions.services import finish_execution
from executions.web.execution_page import MAX_HAPPENINGS, PAGE_NODES, run_page
from executions.web.formatting import MAX_VALUES
from tests.executions.web.pages import Queries, text_of, url

pytestmark = pytest.mark.django_db

COUNT = 300


@pytest.fixture
def execution(user: User) -> GraphExecution:
    """A source, and 299 nodes after it."""
    nodes = [{"id": f"n{number:03}", "block_id": "b", "title": f"Node {number:03}"} for number in range(COUNT)]
    links = [
        {"source_id": "n000", "source_name": "out", "sink_id": node["id"], "sink_name": "in"} for node in nodes[1:]
    ]
    graph = Graph.objects.create(owner=user, name="Wide", nodes=nodes, links=links)
    return GraphExecution.objects.create(user=user, graph=graph, definition=graph.definition, status="RUNNING")


def add_nodes(execution: GraphExecution, ids: list[str], size: int = 10, **more: Any) -> None:
    NodeExecution.objects.bulk_create(
        NodeExecution(graph_execution=execution, node_id=id, input_data={"in": "x" * size}, **more) for id in ids
    )


def ids_on(page: Client, execution: GraphExecution, number: int) -> list[str]:
    content = page.get(url("execution-detail", execution.pk) + f"?nodes={number}").content.decode()
    return re.findall(r'data-node="([^"]+)"', content)


def test_each_node_is_on_one_page(page: Client, execution: GraphExecution) -> None:
    pages = [ids_on(page, execution, number) for number in (1, 2, 3)]
    assert [len(each) for each in pages] == [PAGE_NODES] * 3
    assert [id for ids in pages for id in ids] == [f"n{number:03}" for number in range(COUNT)]


def test_the_stages_of_a_page_are_those_of_the_run(execution: GraphExecution) -> None:
    assert [len(stage) for stage in run_page(execution).stages] == [1, 99]
    assert [len(stage) for stage in run_page(execution, 2).stages] == [100]


def test_nodes_on_other_pages_are_counted(page: Client, execution: GraphExecution) -> None:
    add_nodes(execution, ["n000", "n250", "n251"], status="COMPLETED")
    response = page.get(url("execution-detail", execution.pk))
    assert "3 of 300" in text_of(response)
    found = re.search(r'<script id="nodes-elsewhere" type="application/json">(.*?)</script>', response.content.decode())
    assert found
    elsewhere = json.loads(found[1])
    assert len(elsewhere) == 200
    assert elsewhere["n250"] == ["Node 250", "COMPLETED"]


def test_links_lead_to_the_other_pages(page: Client, execution: GraphExecution) -> None:
    content = page.get(url("execution-detail", execution.pk) + "?nodes=2").content.decode()
    assert '<nav class="pages" aria-label="Pages of nodes">' in content
    assert 'rel="prev" href="?nodes=1#nodes-title"' in content
    assert 'rel="next" href="?nodes=3#nodes-title"' in content
    assert "Nodes 101 to 200 of 300" in content


def test_a_run_with_few_nodes_has_no_links_to_pages(page: Client, user: User) -> None:
    graph = Graph.objects.create(owner=user, name="One", nodes=[{"id": "a", "block_id": "b"}])
    execution = GraphExecution.objects.create(user=user, graph=graph, definition=graph.definition)
    assert "Pages of nodes" not in page.get(url("execution-detail", execution.pk)).content.decode()


def test_a_page_of_long_values_has_a_bound(page: Client, execution: GraphExecution, settings: Settings) -> None:
    settings.EXECUTIONS = {"MAX_ANSWER_BYTES": 1_000_000}
    add_nodes(execution, [f"n{number:03}" for number in range(COUNT)], size=260 * 1024)
    response = page.get(url("execution-detail", execution.pk))
    assert len(response.content) < 400_000
    nodes = response.context["run"].nodes
    assert all("input_data" in node.execution.get_deferred_fields() for node in nodes)
    shown = [node for stage in response.context["run"].stages for node in stage]
    assert sum(bool(node.inputs) for node in shown) == 3
    assert "The nodes of this page hold more than it can show." in text_of(response)


def test_the_queries_do_not_depend_on_the_number_of_nodes(
    page: Client, execution: GraphExecution, django_assert_num_queries: Queries
) -> None:
    add_nodes(execution, [f"n{number:03}" for number in range(COUNT)] + [f"x{number}" for number in range(500)])
    with django_assert_num_queries(4):
        shown = run_page(execution)
        assert (shown.total, len(shown.elsewhere)) == (800, 700)
        assert [len(stage) for stage in shown.stages] == [1, 99]
        assert shown.happenings


def test_many_names_are_cut(execution: GraphExecution) -> None:
    data = {f"name{number}": number for number in range(MAX_VALUES + 5)}
    NodeExecution.objects.create(graph_execution=execution, node_id="n000", input_data=data)
    inputs = run_page(execution).stages[0][0].inputs
    assert len(inputs) == MAX_VALUES + 1
    assert inputs[-1].more == "and 5 more values"


def test_the_newest_events_are_listed(execution: GraphExecution) -> None:
    now = timezone.now()
    add_nodes(execution, [f"n{number}" for number in range(1_000)], start_time=now, end_time=now, status="COMPLETED")
    assert len(run_page(execution).happenings) == MAX_HAPPENINGS


def test_the_results_are_read_without_the_nodes(
    page: Client, execution: GraphExecution, django_assert_num_queries: Queries
) -> None:
    add_nodes(execution, ["n000"], size=1_000)
    finish_execution(execution, outputs={"report": ["# Title"]})
    with django_assert_num_queries(4):  # session, user, execution, name of the graph
        assert "<h3>Title</h3>" in page.get(url("execution-results", execution.pk)).content.decode()


def test_the_complete_data_of_a_node_is_not_longer_than_its_values(page: Client, execution: GraphExecution) -> None:
    value: Any = [1] * 10_000
    for _ in range(100):
        value = [value]
    node = NodeExecution.objects.create(graph_execution=execution, node_id="n000", input_data={"in": value})
    assert len(page.get(url("node-data", execution.pk, node.pk)).content) < 40_000
