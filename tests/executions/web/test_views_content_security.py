"""Hostile strings never become HTML, and the policy forbids inline scripts."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from executions.models import Graph, GraphExecution
from executions.services import finish_execution, notify_user, report_execution, report_node
from tests.executions.web.pages import HOSTILE, url


@pytest.fixture
def hostile_execution(user: User) -> GraphExecution:
    """A run with hostile text in every field."""
    graph = Graph.objects.create(
        owner=user, name=HOSTILE, nodes=[{"id": HOSTILE, "block_id": HOSTILE, "title": HOSTILE}], links=[]
    )
    execution = GraphExecution.objects.create(
        user=user, graph=graph, definition=graph.definition, inputs={HOSTILE: HOSTILE}
    )
    report_execution(execution, status="RUNNING")
    data = {HOSTILE: [HOSTILE], "nested": [{HOSTILE: [HOSTILE]}]}
    report_node(execution, node_id=HOSTILE, block_id=HOSTILE, status="RUNNING", input_data=data, output_data=data)
    report_node(execution, node_id=f"{HOSTILE}, and not in the graph", status="QUEUED")
    outputs = {"report": [HOSTILE, f"[a]({HOSTILE})"], HOSTILE: [HOSTILE]}
    return finish_execution(execution, status="FAILED", outputs=outputs, error=HOSTILE)


@pytest.fixture(
    params=["execution-list", "execution-detail", "execution-results", "notification-panel", "execution-start"]
)
def hostile_page(request: pytest.FixtureRequest, page: Client, user: User, hostile_execution: GraphExecution) -> str:
    notify_user(user, type=HOSTILE, event=HOSTILE)
    args = [hostile_execution.pk] if request.param in ("execution-detail", "execution-results") else []
    return page.get(url(request.param, *args)).content.decode()


def test_text_of_a_run_never_becomes_html(hostile_page: str) -> None:
    assert "&lt;img" in hostile_page
    assert "<img" not in hostile_page
    assert "</script><" not in hostile_page.replace('"></script>', "")


def test_no_page_has_an_inline_script_or_style(hostile_page: str) -> None:
    assert not re.search(r"<style|\sstyle=|\son\w+=(?![^<]*&gt;)|javascript:", hostile_page)
    for script in re.findall(r"<script[^>]*>", hostile_page):
        assert "src=" in script or 'type="application/json"' in script


def test_the_policy_allows_only_the_own_origin(page: Client) -> None:
    policy = page.get(url("execution-list"))["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_links_in_a_report_lead_to_the_web_only(page: Client, execution: GraphExecution) -> None:
    report_execution(execution, status="RUNNING")
    markdown = "[a](javascript:alert(1)) ![b](https://x.example/spy.png) [c](/admin/) [d](https://x.example/)"
    finish_execution(execution, outputs={"report": [markdown]})
    content = page.get(url("execution-results", execution.pk)).content.decode()
    assert re.findall(r'href="([^"]*)"', content) == ["https://x.example/spy.png", "https://x.example/"]
