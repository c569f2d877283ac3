"""Signing in, and the list of runs. The other pages: `test_views_<page>.py`."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from pytest_django import Settings

from executions.models import Graph, GraphExecution
from executions.services import report_execution, report_node
from tests.executions.web.pages import HOSTILE, Queries, text_of, url


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["execution-list", "execution-rows", "execution-start", "notification-panel"])
def test_a_page_redirects_to_the_login(client: Client, name: str) -> None:
    response = client.get(url(name))
    assert (response.status_code, response["Location"]) == (302, f"{url('login')}?next={url(name)}")


@pytest.mark.django_db
def test_signing_in_leads_to_the_list(client: Client) -> None:
    User.objects.create_user("ada", password="a password of ada")
    response = client.post(url("login"), {"username": "ada", "password": "a password of ada"})
    assert (response.status_code, response["Location"]) == (302, url("execution-list"))


def test_a_wrong_password_is_refused(client: Client, user: User) -> None:
    response = client.post(url("login"), {"username": user.username, "password": "wrong"})
    assert "Please enter a correct username and password" in text_of(response)


@pytest.mark.django_db
def test_demo_accounts_are_named_only_with_debug(client: Client, settings: Settings) -> None:
    assert "password ada" not in text_of(client.get(url("login")))  # tests run without DEBUG


def test_signing_out_needs_a_post(page: Client) -> None:
    assert page.get(url("logout")).status_code == 405
    assert page.post(url("logout"))["Location"] == url("login")


def test_an_empty_list_offers_to_start_a_run(page: Client, graph: Graph) -> None:
    text = text_of(page.get(url("execution-list")))
    assert "Nothing has run yet" in text
    assert "Start your first run" in text


def test_a_list_without_a_graph_does_not_offer_to_start_a_run(page: Client) -> None:
    text = text_of(page.get(url("execution-list")))
    assert "There is no graph of yours to run" in text
    assert "Start your first run" not in text


def test_the_list_shows_the_progress_of_each_run(page: Client, execution: GraphExecution) -> None:
    execution.definition = execution.graph.definition
    execution.save()
    report_execution(execution, status="RUNNING")
    report_node(execution, node_id="split", status="RUNNING")
    report_node(execution, node_id="split", status="COMPLETED")
    text = text_of(page.get(url("execution-list")))
    assert "Text insight Running 1 of 2" in text


def test_the_list_shows_no_runs_of_other_users(page: Client, graph: Graph, other_user: User) -> None:
    GraphExecution.objects.create(user=other_user, graph=graph)
    assert "Nothing has run yet" in text_of(page.get(url("execution-list")))


def test_staff_with_permission_sees_all_runs_and_their_owners(
    page: Client, user: User, graph: Graph, other_user: User
) -> None:
    GraphExecution.objects.create(user=other_user, graph=graph)
    user.is_staff = True
    user.save()
    user.user_permissions.add(Permission.objects.get(codename="view_graphexecution"))
    assert "Text insight of other_user" in text_of(page.get(url("execution-list")))


def test_the_list_has_pages(page: Client, user: User, graph: Graph) -> None:
    GraphExecution.objects.bulk_create(GraphExecution(user=user, graph=graph) for _ in range(26))
    assert "Page 1 of 2 Older" in text_of(page.get(url("execution-list")))
    second = page.get(url("execution-list"), {"page": "2"})
    assert second.content.count(b"data-execution=") == 1
    for nonsense in ("0", "-1", "99", "x", HOSTILE):
        assert page.get(url("execution-list"), {"page": nonsense}).status_code == 200


def test_a_longer_list_takes_no_more_queries(
    page: Client, user: User, graph: Graph, django_assert_num_queries: Queries
) -> None:
    page.get(url("execution-list"))
    for count in (1, 20):
        GraphExecution.objects.bulk_create(GraphExecution(user=user, graph=graph) for _ in range(count))
        # session, user, graphs of the page, count, rows, nodes, has graphs, notifications
        with django_assert_num_queries(8):
            page.get(url("execution-list"))


def test_the_rows_are_served_without_the_page(page: Client, execution: GraphExecution) -> None:
    content = page.get(url("execution-rows")).content.decode()
    assert str(execution.pk) in content
    assert "<html" not in content
