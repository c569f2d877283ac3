"""The page of a shared run, and the panel with which its owner shares it."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from executions.models import Graph, GraphExecution
from executions.services import finish_execution, report_execution, report_node, share_execution, start_execution
from tests.executions.web.pages import HOSTILE, Queries, text_of, url

pytestmark = pytest.mark.django_db

TOKEN = "a-token_of-twenty-two-"


@pytest.fixture
def stranger() -> Client:
    return Client()


@pytest.fixture
def shared(graph: Graph, user: User) -> GraphExecution:
    inputs = {"text": "an input of the owner"}
    return start_execution(graph, user=user, inputs=inputs, is_shared=True, share_token=TOKEN)


# The page of a stranger


def test_a_stranger_sees_name_status_times_and_masked_outputs(stranger: Client, shared: GraphExecution) -> None:
    report_execution(shared, status="RUNNING", stats={"error": "a secret error", "cost": 4711})
    report_node(shared, node_id="split", status="RUNNING", input_data={"text": "an input of a node"})
    outputs = {"report": ["# All is **well**"], "count": [7], "api_key": ["k3y"], "rows": [{"token": "s3cret"}]}
    finish_execution(shared, outputs=outputs)
    response = stranger.get(url("shared-page", TOKEN))
    page, text = response.content.decode(), text_of(response)
    for shown in ("Text insight", "Completed", "UTC", "count", "7", "All is well", "•••"):
        assert shown in text
    hidden = (
        "k3y",
        "s3cret",
        "an input",
        "a secret error",
        "4711",
        str(shared.graph_id),
        "user",
        "split",
        "Sign",
        "csrf",
    )
    for each in hidden:
        assert each not in page
    assert "<h3>All is <strong>well</strong></h3>" in page
    assert f'data-share="{TOKEN}"' in page
    fragment = stranger.get(url("shared-results", TOKEN)).content.decode()
    assert "All is <strong>well</strong>" in fragment
    assert "<html" not in fragment
    assert "k3y" not in fragment


def test_the_page_without_outputs_says_so(stranger: Client, shared: GraphExecution) -> None:
    page = stranger.get(url("shared-page", TOKEN))
    assert "No outputs yet" in text_of(page)
    assert "Started not yet Ended not yet" in text_of(page)
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in page.content.decode()
    report_execution(shared, status="RUNNING")
    finish_execution(shared)
    page = stranger.get(url("shared-page", TOKEN))
    assert "ended without outputs" in text_of(page)
    assert "http-equiv" not in page.content.decode()


@pytest.mark.parametrize("name", ["shared-page", "shared-results"])
def test_what_a_browser_is_told(stranger: Client, shared: GraphExecution, name: str) -> None:
    for token in (TOKEN, "wrong"):
        response = stranger.get(url(name, token))
        assert response["Referrer-Policy"] == "no-referrer"
        assert response["X-Robots-Tag"] == "noindex, nofollow"
        assert "no-store" in response["Cache-Control"]
        assert "Set-Cookie" not in response.headers
        assert "Cookie" not in response.get("Vary", "")
    assert stranger.head(url(name, TOKEN)).status_code == 200
    for method in ("post", "put", "patch", "delete", "options"):
        assert getattr(stranger, method)(url(name, TOKEN)).status_code == 405


@pytest.mark.parametrize("name", ["shared-page", "shared-results"])
def test_all_links_that_open_nothing_have_the_same_answer(
    stranger: Client, shared: GraphExecution, name: str, user: User
) -> None:
    def answer(token: str = TOKEN) -> tuple[int, Any]:
        response = stranger.get(url(name, token))
        return response.status_code, re.sub(r'data-now="[^"]*"', "", response.content.decode())

    missing = answer("x" * 43)
    assert missing[0] == 404
    assert "There is no such page" in missing[1]
    for token in (
        "short",
        "é" * 30,
        "\0",
        "x" * 5_000,
        TOKEN + "A",
        TOKEN.upper(),
        f"{TOKEN}\n",
        f" {TOKEN}",
        "..%2f..",
    ):
        assert answer(token) == missing
    for change in ({"share_expires_at": timezone.now()}, {"is_shared": False}, {"share_token": None}):
        GraphExecution.objects.update(**change)
        assert answer() == missing
        share_execution(shared, token=TOKEN)
        assert answer()[0] == 200
    user.is_active = False
    user.save()
    assert answer() == missing
    user.delete()
    assert answer() == missing


def test_the_page_is_the_same_for_everybody(page: Client, stranger: Client, shared: GraphExecution) -> None:
    def text(client: Client) -> str:
        return re.sub(r'data-now="[^"]*"', "", client.get(url("shared-page", TOKEN)).content.decode())

    assert text(page) == text(stranger)


def test_hostile_names_and_outputs_stay_text(stranger: Client, graph: Graph, shared: GraphExecution) -> None:
    Graph.objects.update(name=HOSTILE[:200])
    report_execution(shared, status="RUNNING", outputs={HOSTILE: [HOSTILE], "report": [HOSTILE]})
    page = stranger.get(url("shared-page", TOKEN)).content.decode()
    assert "<img" not in page
    assert "</script><" not in page


def test_a_page_has_the_bounds_of_a_run_s_page(
    stranger: Client, shared: GraphExecution, django_assert_num_queries: Queries
) -> None:
    outputs = {f"n{number}": ["x" * 3_000] for number in range(200)}
    report_execution(shared, status="RUNNING", outputs=outputs)
    with django_assert_num_queries(1):
        page = stranger.get(url("shared-page", TOKEN))
    assert len(page.content) < 300_000
    assert "and 100 more values" in text_of(page)
    assert "and 1000 more characters" in text_of(page)


def test_all_outputs_can_be_hidden(stranger: Client, shared: GraphExecution, settings: Settings) -> None:
    settings.EXECUTIONS = {"SHARE_MASKED": ("*",)}
    report_execution(shared, status="RUNNING", outputs={"report": ["# Secret"], "n": [7]})
    page = stranger.get(url("shared-page", TOKEN)).content.decode()
    assert "Secret" not in page
    assert page.count("•••") == 2


# The panel of the owner


def test_the_owner_makes_a_link_and_takes_it_back(page: Client, stranger: Client, execution: GraphExecution) -> None:
    detail = url("execution-detail", execution.pk)
    assert "Create link" in text_of(page.get(detail))
    response = page.post(url("share-execution", execution.pk), {"lifetime": "86400"})
    assert (response.status_code, response["Location"]) == (302, f"{detail}#share")
    execution.refresh_from_db()
    assert timedelta(hours=23) < execution.share_expires_at - timezone.now() < timedelta(hours=25)
    text = page.get(detail).content.decode()
    link = re.search(r'id="share-link" readonly value="([^"]*)"', text)
    assert link is not None
    assert link[1] == f"http://testserver/shared/{execution.share_token}/"
    assert stranger.get(link[1]).status_code == 200
    assert "Create link" not in text
    assert page.post(url("stop-sharing", execution.pk))["Location"] == f"{detail}#share"
    assert stranger.get(link[1]).status_code == 404
    assert "Create link" in text_of(page.get(detail))


def test_a_link_that_has_ended_can_be_replaced(page: Client, shared: GraphExecution) -> None:
    GraphExecution.objects.update(share_expires_at=timezone.now())
    text = text_of(page.get(url("execution-detail", shared.pk)))
    assert "The link opens nothing any more" in text
    assert "Create link" in text
    page.post(url("share-execution", shared.pk), {"lifetime": "604800"})
    assert GraphExecution.objects.get().share_token != TOKEN


@pytest.mark.parametrize(
    ("longest", "offered"),
    [
        (None, ["86400", "604800", "2592000", "ever"]),
        (30 * 86_400.0, ["86400", "604800", "2592000"]),
        (10 * 86_400, ["86400", "604800"]),
        (3_600.0, ["3600.0"]),
    ],
)
def test_the_page_offers_what_the_setting_allows(
    page: Client, execution: GraphExecution, settings: Settings, longest: float | None, offered: list[str]
) -> None:
    settings.EXECUTIONS = {"SHARE_LIFETIME": longest}
    text = page.get(url("execution-detail", execution.pk)).content.decode()
    assert re.findall(r'<option value="([^"]*)"', text) == offered
    for lifetime in offered:
        assert page.post(url("share-execution", execution.pk), {"lifetime": lifetime}).status_code == 302
        assert GraphExecution.objects.get().is_shared
    for wrong in (
        {"lifetime": "ever"} if longest else {"lifetime": "-1"},
        {"lifetime": "nan"},
        {},
        {"lifetime": "9e99"},
    ):
        assert page.post(url("share-execution", execution.pk), wrong).status_code == 400


def test_only_those_who_may_change_a_run_share_it(
    staff: Client, stranger: Client, execution: GraphExecution, user: User
) -> None:
    for name in ("share-execution", "stop-sharing"):
        path = url(name, execution.pk)
        assert staff.post(path, {"lifetime": "86400"}).status_code == 403
        assert stranger.post(path)["Location"].startswith("/login/")
        stranger.force_login(User.objects.create_user(name))
        assert stranger.post(path, {"lifetime": "86400"}).status_code == 404
        assert stranger.get(path).status_code == 405
        stranger.logout()
        owner = Client(enforce_csrf_checks=True)
        owner.force_login(user)
        assert owner.post(path, {"lifetime": "86400"}).status_code == 403
    assert not GraphExecution.objects.get().is_shared
    assert "share-title" not in staff.get(url("execution-detail", execution.pk)).content.decode()
