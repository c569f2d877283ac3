"""The pages over HTTP: what they show, whom they show it to, and what becomes of bad input."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from executions.blocks.text import MAX_TEXT_BYTES
from executions.models import Graph, GraphExecution, NodeExecution
from executions.samples import CODEBASE_CENSUS, CSV_PROFILE, default_text, make_sample, make_text_insight
from executions.services import finish_execution, notify_user, report_execution, report_node, terminate_execution
from executions.web import views

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e\u2066\"'&{{ x }}{% y %}"
Queries = Callable[..., AbstractContextManager[Any]]


@pytest.fixture
def user(db: None) -> User:
    """Without a password, whose hashing costs a third of a second."""
    return User.objects.create_user("user")


@pytest.fixture
def other_user(db: None) -> User:
    return User.objects.create_user("other_user")


@pytest.fixture
def page(client: Client, user: User) -> Client:
    """A signed-in browser without JavaScript."""
    client.force_login(user)
    return client


@pytest.fixture
def sample(user: User) -> Graph:
    return make_text_insight(user)[0]


@pytest.fixture
def hostile_execution(user: User) -> GraphExecution:
    """Whatever a run can say, it says something nasty."""
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


def url(name: str, *args: Any) -> str:
    return reverse(name, args=args)


def text_of(response: Any) -> str:
    """What a person reads."""
    content: str = response.content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", content[content.index("<main") :]))


# Signing in


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["execution-list", "execution-rows", "execution-start", "notification-panel"])
def test_who_is_not_signed_in_is_asked_to(client: Client, name: str) -> None:
    response = client.get(url(name))
    assert (response.status_code, response["Location"]) == (302, f"{url('login')}?next={url(name)}")


@pytest.mark.django_db
def test_signing_in_leads_to_the_list(client: Client) -> None:
    User.objects.create_user("ada", password="a password of ada")
    response = client.post(url("login"), {"username": "ada", "password": "a password of ada"})
    assert (response.status_code, response["Location"]) == (302, url("execution-list"))


def test_a_wrong_password_is_told(client: Client, user: User) -> None:
    response = client.post(url("login"), {"username": user.username, "password": "wrong"})
    assert "Please enter a correct username and password" in text_of(response)


@pytest.mark.django_db
def test_demo_accounts_are_named_with_debug_only(client: Client, settings: Settings) -> None:
    assert "password ada" not in text_of(client.get(url("login")))  # tests run without DEBUG


def test_signing_out_takes_a_post(page: Client) -> None:
    assert page.get(url("logout")).status_code == 405
    assert page.post(url("logout"))["Location"] == url("login")


# The list


def test_an_empty_list_says_how_to_begin(page: Client, graph: Graph) -> None:
    text = text_of(page.get(url("execution-list")))
    assert "Nothing has run yet" in text
    assert "Start your first run" in text


def test_without_a_graph_the_list_says_who_can_help(page: Client) -> None:
    text = text_of(page.get(url("execution-list")))
    assert "There is no graph of yours to run" in text
    assert "Start your first run" not in text


def test_the_list_shows_how_far_each_run_is(page: Client, execution: GraphExecution) -> None:
    execution.definition = execution.graph.definition
    execution.save()
    report_execution(execution, status="RUNNING")
    report_node(execution, node_id="split", status="RUNNING")
    report_node(execution, node_id="split", status="COMPLETED")
    text = text_of(page.get(url("execution-list")))
    assert "Text insight Running 1 of 2" in text


def test_the_list_shows_nobody_elses_runs(page: Client, graph: Graph, other_user: User) -> None:
    GraphExecution.objects.create(user=other_user, graph=graph)
    assert "Nothing has run yet" in text_of(page.get(url("execution-list")))


def test_staff_may_see_all_runs_and_whose_they_are(page: Client, user: User, graph: Graph, other_user: User) -> None:
    GraphExecution.objects.create(user=other_user, graph=graph)
    user.is_staff = True
    user.save()
    user.user_permissions.add(Permission.objects.get(codename="view_graphexecution"))
    assert "Text insight of other_user" in text_of(page.get(url("execution-list")))


def test_the_list_comes_in_pages(page: Client, user: User, graph: Graph) -> None:
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


def test_the_rows_can_be_had_alone(page: Client, execution: GraphExecution) -> None:
    content = page.get(url("execution-rows")).content.decode()
    assert str(execution.pk) in content
    assert "<html" not in content


# Starting a run


def test_the_form_starts_with_a_text_to_try(page: Client, sample: Graph) -> None:
    form = page.get(url("execution-start")).context["form"]
    assert form["input-text"].value() == default_text()


def test_a_pasted_text_starts_a_run(page: Client, user: User, sample: Graph) -> None:
    response = page.post(url("execution-start"), {"graph": sample.pk, "input-text": "One.\r\nTwo."})
    execution = GraphExecution.objects.get()
    assert response["Location"] == url("execution-detail", execution.pk)
    assert (execution.user, execution.graph, execution.status) == (user, sample, "QUEUED")
    assert (execution.inputs, execution.runner) == ({"text": "One.\nTwo."}, "embedded")


def test_an_uploaded_text_takes_the_place_of_the_pasted_one(page: Client, sample: Graph) -> None:
    file = SimpleUploadedFile("text.md", "\ufeffÜber alles.".encode())
    page.post(url("execution-start"), {"graph": sample.pk, "input-text": "Pasted.", "input-text-file": file})
    assert GraphExecution.objects.get().inputs == {"text": "Über alles."}


def test_bad_input_is_told_and_starts_nothing(page: Client, sample: Graph) -> None:
    file = SimpleUploadedFile("text.txt", b"\xff\xfe")
    response = page.post(url("execution-start"), {"graph": sample.pk, "input-text": "", "input-text-file": file})
    assert response.status_code == 422
    text = text_of(response)
    assert "Nothing was started" in text
    assert "This file is not a text in UTF-8: line 1 holds other bytes." in text
    assert not GraphExecution.objects.exists()


def test_what_was_pasted_is_still_there_after_a_mistake(page: Client, sample: Graph) -> None:
    response = page.post(url("execution-start"), {"graph": sample.pk, "input-text": "My own\0words."})
    assert response.context["form"]["input-text"].value() == "My own\0words."


def test_a_text_that_no_event_can_hold_is_told(page: Client, sample: Graph) -> None:
    # Each of these signs takes six bytes in JSON.
    response = page.post(url("execution-start"), {"graph": sample.pk, "input-text": "\x01" * MAX_TEXT_BYTES})
    assert response.status_code == 422
    assert "bytes" in text_of(response)
    assert not GraphExecution.objects.exists()


def test_a_file_is_bounded_while_it_is_read(page: Client, sample: Graph) -> None:
    file = SimpleUploadedFile("big.txt", b"x" * 3_000_000)
    response = page.post(url("execution-start"), {"graph": sample.pk, "input-text-file": file})
    assert response.status_code == 422
    assert "This is 2,930 KB long; 256 KB are the most." in text_of(response)


def test_the_name_of_a_file_means_nothing(page: Client, sample: Graph) -> None:
    file = SimpleUploadedFile("../../<img src=x>\r\n.txt", b"One.")
    page.post(url("execution-start"), {"graph": sample.pk, "input-text-file": file})
    assert GraphExecution.objects.get().inputs == {"text": "One."}


def test_each_graph_has_its_own_form(page: Client, user: User) -> None:
    for sample, sign in ((CODEBASE_CENSUS, '<option value="executions/blocks">'), (CSV_PROFILE, "Mercury,,0.33")):
        graph, _ = make_sample(sample, user)
        content = page.get(url("execution-start"), {"graph": str(graph.pk)}).content.decode()
        assert sign in content
        assert sample.description in content


def test_nobody_elses_graph_can_be_run(page: Client, sample: Graph, other_user: User) -> None:
    graph, _ = make_text_insight(other_user)
    response = page.post(url("execution-start"), {"graph": graph.pk, "input-text": "One."})
    assert "Choose one of your graphs." in text_of(response)
    assert not GraphExecution.objects.exists()


def test_without_a_graph_there_is_no_form(page: Client) -> None:
    response = page.get(url("execution-start"))
    assert "You have no graph yet" in text_of(response)
    assert b"<textarea" not in response.content


def test_a_graph_can_be_chosen_by_the_link(page: Client, sample: Graph, graph: Graph) -> None:
    for each in (sample, graph):
        response = page.get(url("execution-start"), {"graph": str(each.pk)})
        assert f'<option value="{each.pk}" selected>' in response.content.decode()
    assert page.get(url("execution-start"), {"graph": HOSTILE}).status_code == 200


# One run


def test_a_run_is_shown_with_its_nodes_inputs_and_outputs(page: Client, user: User, sample: Graph) -> None:
    execution = GraphExecution.objects.create(user=user, graph=sample, definition=sample.definition)
    report_execution(execution, status="RUNNING")
    report_node(execution, node_id="prose", block_id="text.prose", status="RUNNING", input_data={"text": "# A b"})
    report_node(execution, node_id="prose", status="COMPLETED", output_data={"text": ["A b"]})
    text = text_of(page.get(url("execution-detail", execution.pk)))
    assert "1 of 6" in text
    assert re.search(r"Prose Completed .* Block text.prose Input text # A b Output text A b", text)
    assert "Key sentences Waiting" in text


def test_nodes_that_can_run_side_by_side_stand_side_by_side(page: Client, user: User, sample: Graph) -> None:
    execution = GraphExecution.objects.create(user=user, graph=sample, definition=sample.definition)
    stages = page.get(url("execution-detail", execution.pk)).context["run"].stages
    assert [[node.id for node in stage] for stage in stages] == [
        ["prose"],
        ["sentences", "words"],
        ["readability", "key"],
        ["report"],
    ]


@pytest.mark.parametrize("definition", [{}, {"nodes": 5}, {"nodes": [{"id": 1}]}, {"nodes": [], "links": [{}]}, [], ""])
def test_a_definition_of_another_engine_hides_no_node(page: Client, execution: GraphExecution, definition: Any) -> None:
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


def test_a_report_is_shown_as_what_it_is(page: Client, execution: GraphExecution) -> None:
    report_execution(execution, status="RUNNING")
    finish_execution(execution, outputs={"report": ["# Title\n\n**strong**"], "count": [3]})
    content = page.get(url("execution-detail", execution.pk)).content.decode()
    assert "<h3>Title</h3>\n<p><strong>strong</strong></p>" in content
    assert "Outputs count 3" in text_of(page.get(url("execution-detail", execution.pk)))


def test_a_failed_run_says_what_went_wrong(page: Client, execution: GraphExecution) -> None:
    finish_execution(execution, status="FAILED", error="The text is empty.")
    text = text_of(page.get(url("execution-detail", execution.pk)))
    assert "Failed" in text
    assert "What went wrong The text is empty." in text


def test_without_javascript_a_page_is_loaded_again_until_the_run_has_ended(
    page: Client, execution: GraphExecution
) -> None:
    refresh = b'<noscript><meta http-equiv="refresh"'
    assert refresh in page.get(url("execution-detail", execution.pk)).content
    terminate_execution(execution)
    assert refresh not in page.get(url("execution-detail", execution.pk)).content


def test_without_javascript_the_events_are_those_that_the_rows_tell_of(page: Client, execution: GraphExecution) -> None:
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


def test_a_long_value_is_cut_and_can_be_had_whole(page: Client, execution: GraphExecution) -> None:
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
    # session, user, execution, nodes, graph, notifications
    with django_assert_num_queries(6):
        page.get(url("execution-detail", execution.pk))


@pytest.mark.parametrize("name", ["execution-detail", "execution-results", "execution-terminate", "node-data"])
@pytest.mark.parametrize("id_of", ["other's", "missing", "nonsense"])
def test_what_is_not_ones_own_is_not_found(page: Client, graph: Graph, other_user: User, name: str, id_of: str) -> None:
    other = GraphExecution.objects.create(user=other_user, graph=graph)
    node = NodeExecution.objects.create(graph_execution=other, node_id="n")
    id = {"other's": other.pk, "missing": uuid4(), "nonsense": "x<b>"}[id_of]
    args = [id, node.pk] if name == "node-data" else [id]
    response = page.post(url(name, *args)) if name == "execution-terminate" else page.get(url(name, *args))
    assert response.status_code == 404
    other.refresh_from_db()
    assert other.status == "QUEUED"


def test_what_is_not_found_says_so_in_a_page(page: Client) -> None:
    assert "There is no such page" in text_of(page.get(url("execution-detail", uuid4())))


@pytest.mark.parametrize("id", ["nonsense", pytest.param(str(uuid4()), id="missing")])
def test_a_node_that_does_not_exist_is_not_found(page: Client, execution: GraphExecution, id: str) -> None:
    assert page.get(url("node-data", execution.pk, id)).status_code == 404


# Terminating


def test_a_run_can_be_terminated(page: Client, execution: GraphExecution) -> None:
    response = page.post(url("execution-terminate", execution.pk), follow=True)
    execution.refresh_from_db()
    assert execution.status == "TERMINATED"
    assert "Terminated" in text_of(response)


def test_terminating_too_late_changes_nothing(page: Client, execution: GraphExecution) -> None:
    finish_execution(execution, status="FAILED")
    response = page.post(url("execution-terminate", execution.pk), follow=True)
    execution.refresh_from_db()
    assert (execution.status, response.status_code) == ("FAILED", 200)


def test_terminating_takes_a_post_with_a_token(user: User, execution: GraphExecution) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    assert browser.get(url("execution-terminate", execution.pk)).status_code == 405
    assert browser.post(url("execution-terminate", execution.pk)).status_code == 403
    execution.refresh_from_db()
    assert execution.status == "QUEUED"


def test_who_may_stop_a_run_is_said_by_access_alone(
    page: Client, execution: GraphExecution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "may_change", lambda user, execution: False)
    assert page.post(url("execution-terminate", execution.pk)).status_code == 403
    assert url("execution-terminate", execution.pk) not in page.get(url("execution-detail", execution.pk)).text


def test_to_see_a_run_is_not_to_be_allowed_to_stop_it(page: Client, user: User, graph: Graph, other_user: User) -> None:
    execution = GraphExecution.objects.create(user=other_user, graph=graph)
    user.is_staff = True
    user.save()
    user.user_permissions.add(Permission.objects.get(codename="view_graphexecution"))
    assert b'id="terminate"' not in page.get(url("execution-detail", execution.pk)).content
    assert page.post(url("execution-terminate", execution.pk)).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="change_graphexecution"))
    assert page.post(url("execution-terminate", execution.pk)).status_code == 302


# Notifications


def test_unread_notifications_are_on_every_page(page: Client, user: User, other_user: User) -> None:
    notify_user(user, type="info", event="For me")
    notify_user(other_user, type="info", event="For another")
    content = page.get(url("execution-list")).content.decode()
    assert 'data-unread="1"' in content
    assert "For me" in content
    assert "For another" not in content


def test_however_many_are_unread_the_newest_are_shown_and_all_counted(page: Client, user: User) -> None:
    for number in range(25):
        notify_user(user, type="info", event=f"Number {number}.")
    content = page.get(url("notification-panel")).content.decode()
    assert "25 unread" in content
    assert re.findall(r"Number (\d+)\.", content) == [str(number) for number in range(24, 4, -1)]


def test_one_notification_is_marked_as_read_or_all(page: Client, user: User) -> None:
    first, *_ = [notify_user(user, type="info", event="News") for _ in range(3)]
    page.post(url("notification-read"), {"id": first.pk})
    assert list(user.notifications.filter(read_at__isnull=False)) == [first]
    page.post(url("notification-read"))
    assert not user.notifications.filter(read_at__isnull=True).exists()


def test_nobody_elses_notification_is_marked(page: Client, other_user: User) -> None:
    other = notify_user(other_user, type="info", event="News")
    assert page.post(url("notification-read"), {"id": [str(other.pk), "nonsense"]}).status_code == 302
    other.refresh_from_db()
    assert other.read_at is None


@pytest.mark.parametrize(
    ("back", "goes_to"),
    [
        ("/executions/start/", "/executions/start/"),
        ("//elsewhere.example/", "/"),
        ("https://elsewhere.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_after_marking_one_goes_back_but_never_elsewhere(page: Client, back: str, goes_to: str) -> None:
    assert page.post(url("notification-read"), {"next": back})["Location"] == goes_to


# Hostile strings


@pytest.fixture(
    params=["execution-list", "execution-detail", "execution-results", "notification-panel", "execution-start"]
)
def hostile_page(request: pytest.FixtureRequest, page: Client, user: User, hostile_execution: GraphExecution) -> str:
    notify_user(user, type=HOSTILE, event=HOSTILE)
    args = [hostile_execution.pk] if request.param in ("execution-detail", "execution-results") else []
    return page.get(url(request.param, *args)).content.decode()


def test_nothing_that_a_run_says_becomes_html(hostile_page: str) -> None:
    assert "&lt;img" in hostile_page
    assert "<img" not in hostile_page
    assert "</script><" not in hostile_page.replace('"></script>', "")


def test_no_page_has_an_inline_script_or_style(hostile_page: str) -> None:
    assert not re.search(r"<style|\sstyle=|\son\w+=(?![^<]*&gt;)|javascript:", hostile_page)
    for script in re.findall(r"<script[^>]*>", hostile_page):
        assert "src=" in script or 'type="application/json"' in script


def test_the_policy_allows_only_what_is_ours(page: Client) -> None:
    policy = page.get(url("execution-list"))["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_an_address_in_a_message_does_not_lead_anywhere_odd(page: Client, execution: GraphExecution) -> None:
    report_execution(execution, status="RUNNING")
    markdown = "[a](javascript:alert(1)) ![b](https://x.example/spy.png) [c](/admin/) [d](https://x.example/)"
    finish_execution(execution, outputs={"report": [markdown]})
    content = page.get(url("execution-results", execution.pk)).content.decode()
    assert re.findall(r'href="([^"]*)"', content) == ["https://x.example/spy.png", "https://x.example/"]
