"""The admin: edits are checked and send signals, invalid values are errors of the form, lists need few queries."""

import threading
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from executions.models import Graph, GraphExecution, NodeExecution, Notification
from executions.services import report_execution, report_node
from tests.executions.conftest import LINKS, NODES, InThread, Received, wait_for_blocked_transaction

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("admin"))
    return client


@pytest.fixture
def staff(client: Client, other_user: User) -> Client:
    """A user who may view everything and change nothing."""
    other_user.is_staff = True
    other_user.save()
    other_user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(other_user)
    return client


def url(name: str, *args: Any) -> str:
    return reverse(f"admin:executions_{name}", args=args)


def change_url(row: Any) -> str:
    return url(f"{row._meta.model_name}_change", row.pk)


def form_of(admin: Client, row: Any) -> dict[str, Any]:
    """What a browser posts from the unedited page of a row."""
    response = admin.get(change_url(row))
    assert response.status_code == 200
    data: dict[str, Any] = {}
    forms = [response.context["adminform"].form]
    for formset in response.context["inline_admin_formsets"]:
        forms += [formset.formset.management_form, *formset.formset.forms]
    for form in forms:
        for field in form:
            value = field.value()
            data[field.html_name] = "" if value is None else value
            if field.field.show_hidden_initial:
                data[field.html_initial_name] = data[field.html_name]
    return data


def errors_of(response: Any) -> str:
    assert response.status_code == 200
    return str(response.context["errors"])


def messages_of(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def act(admin: Client, action: str, rows: list[Any], **data: Any) -> Any:
    return admin.post(
        url(f"{rows[0]._meta.model_name}_changelist"),
        {"action": action, "_selected_action": [str(row.pk) for row in rows], **data},
    )


# Edits


def test_an_edited_status_is_saved_and_sends_a_signal(
    admin: Client, execution: GraphExecution, received: Received
) -> None:
    response = admin.post(change_url(execution), {**form_of(admin, execution), "status": "RUNNING"})
    assert response.status_code == 302
    execution.refresh_from_db()
    assert (execution.status, execution.started_at is not None) == ("RUNNING", True)
    assert received.event == execution.to_event()


def test_an_illegal_status_is_an_error_of_the_form(
    admin: Client, execution: GraphExecution, received: Received
) -> None:
    response = admin.post(change_url(execution), {**form_of(admin, execution), "status": "COMPLETED"})
    assert "COMPLETED may not follow QUEUED. What may follow QUEUED: RUNNING" in errors_of(response)
    execution.refresh_from_db()
    assert execution.status == "QUEUED"
    assert received == []
    response = admin.post(change_url(execution), {**form_of(admin, execution), "status": "DONE"})
    assert "DONE is not one of the available choices" in errors_of(response)


def test_a_stale_page_writes_only_the_edited_fields(
    admin: Client, execution: GraphExecution, received: Received
) -> None:
    old_page = form_of(admin, execution)
    report_execution(execution, status="RUNNING", outputs={"a": [1]})
    received.clear()
    assert admin.post(change_url(execution), {**old_page, "preset_id": "p1"}).status_code == 302
    execution.refresh_from_db()
    assert (execution.status, execution.outputs, execution.preset_id) == ("RUNNING", {"a": [1]}, "p1")
    assert received.event == execution.to_event()


def test_an_unedited_page_sends_no_signal(admin: Client, execution: GraphExecution, received: Received) -> None:
    assert admin.post(change_url(execution), form_of(admin, execution)).status_code == 302
    assert received == []


def test_nodes_are_edited_on_the_page_of_their_execution(
    admin: Client, execution: GraphExecution, received: Received
) -> None:
    first = report_node(execution, node_id="split", status="RUNNING")
    second = report_node(execution, node_id="rank", status="RUNNING", output_data={"a": [1]})
    received.clear()
    data = form_of(admin, execution)
    at = next(key for key, value in data.items() if key.endswith("-id") and value == second.pk).removesuffix("-id")
    assert admin.post(change_url(execution), {**data, f"{at}-status": "COMPLETED"}).status_code == 302
    second.refresh_from_db()
    assert (second.status, second.output_data, second.end_time is not None) == ("COMPLETED", {"a": [1]}, True)
    assert received.event == second.to_event()
    first.refresh_from_db()
    assert first.status == "RUNNING"
    # An illegal status is an error, and nothing of the page is saved.
    received.clear()
    data = form_of(admin, execution)
    response = admin.post(change_url(execution), {**data, "status": "RUNNING", f"{at}-status": "RUNNING"})
    assert "RUNNING may not follow COMPLETED" in errors_of(response)
    execution.refresh_from_db()
    assert execution.status == "QUEUED"
    assert received == []


def test_a_node_can_be_deleted_on_the_page_of_its_execution(
    admin: Client, node: NodeExecution, received: Received
) -> None:
    data = {**form_of(admin, node.graph_execution), "node_executions-0-DELETE": "on"}
    assert admin.post(change_url(node.graph_execution), data).status_code == 302
    assert received.names == ["node_execution_deleted"]


def test_a_node_has_its_own_page(admin: Client, node: NodeExecution, received: Received) -> None:
    assert admin.post(change_url(node), {**form_of(admin, node), "status": "RUNNING"}).status_code == 302
    assert received.event.status == "RUNNING"
    response = admin.post(change_url(node), {**form_of(admin, node), "status": "QUEUED"})
    assert "QUEUED may not follow RUNNING" in errors_of(response)


def test_an_added_execution_is_queued_with_the_definition_of_its_graph(
    admin: Client, graph: Graph, user: User, received: Received
) -> None:
    graph.links = []
    graph.save()
    data = {"user": user.pk, "graph": graph.pk, "preset_id": "", "inputs": '{"text": "x"}'}
    assert admin.get(url("graphexecution_add")).status_code == 200
    assert admin.post(url("graphexecution_add"), data).status_code == 302
    execution = GraphExecution.objects.get()
    assert (execution.status, execution.graph_version, execution.preset_id) == ("QUEUED", 2, None)
    assert execution.definition == {"nodes": NODES, "links": []}
    assert received.event == execution.to_event()


@pytest.mark.parametrize("inputs", ['["no names"]', '{"a": NaN}', '{"a": "\\u0000"}', "no json"])
def test_invalid_inputs_are_an_error_of_the_form(
    admin: Client, graph: Graph, user: User, received: Received, inputs: str
) -> None:
    data = {"user": user.pk, "graph": graph.pk, "preset_id": "", "inputs": inputs}
    assert errors_of(admin.post(url("graphexecution_add"), data))
    assert received == []


def test_a_graph_is_checked_and_counted(admin: Client, graph: Graph) -> None:
    assert admin.post(change_url(graph), {**form_of(admin, graph), "links": "[]"}).status_code == 302
    graph.refresh_from_db()
    assert (graph.links, graph.version) == ([], 2)
    data = form_of(admin, graph)
    response = admin.post(change_url(graph), {**data, "nodes": '[{"id": "a"}]'})
    assert "nodes[0].block_id" in errors_of(response)
    data = {"owner": graph.owner_id, "name": "New", "description": "", "nodes": data["nodes"], "links": data["links"]}
    assert admin.post(url("graph_add"), data).status_code == 302
    assert Graph.objects.get(name="New").nodes == NODES


def test_adding_and_reading_a_notification_in_the_admin_sends_signals(
    admin: Client, user: User, received: Received
) -> None:
    data = {"user": user.pk, "type": "info", "event": "hey", "extra": "{}", "read_at_0": "", "read_at_1": ""}
    assert admin.post(url("notification_add"), data).status_code == 302
    assert (
        admin.post(
            change_url(Notification.objects.get()), {**data, "read_at_0": "2024-05-06", "read_at_1": "07:08:09"}
        ).status_code
        == 302
    )
    assert received.names == ["notification_created", "notification_read"]
    assert errors_of(admin.post(url("notification_add"), {**data, "extra": "[1]"}))


@pytest.mark.django_db(transaction=True)
def test_a_row_is_locked_while_its_page_is_saved(
    admin: Client, execution: GraphExecution, received: Received, in_thread: InThread
) -> None:
    """A worker ends the run while a page with another status is saved. The page shows an error and does not crash."""
    report_execution(execution, status="RUNNING")
    page = {**form_of(admin, execution), "status": "REVIEW"}
    is_written, may_commit = threading.Event(), threading.Event()

    def complete() -> None:
        with transaction.atomic():
            report_execution(execution, status="COMPLETED")
            is_written.set()
            may_commit.wait(30)

    completing = in_thread(complete)
    assert is_written.wait(30)
    posting = in_thread(lambda: admin.post(change_url(execution), page))
    wait_for_blocked_transaction()
    may_commit.set()
    completing.result(30)
    assert "REVIEW may not follow COMPLETED" in errors_of(posting.result(30))


# Deletion


def test_the_deletion_of_a_row_and_of_a_selection_sends_signals(
    admin: Client, execution: GraphExecution, node: NodeExecution, received: Received
) -> None:
    other = GraphExecution.objects.create(graph=execution.graph, user=execution.user)
    received.clear()
    assert admin.post(url("graphexecution_delete", execution.pk), {"post": "yes"}).status_code == 302
    assert received.names == ["node_execution_deleted", "graph_execution_deleted"]
    received.clear()
    act(admin, "delete_selected", [other], post="yes")
    assert received.event.id == str(other.pk)
    act(admin, "delete_selected", [execution.graph], post="yes")
    assert received.names[-1] == "graph_deleted"


# Actions


def test_the_action_counts_terminated_and_refused_executions(
    admin: Client, execution: GraphExecution, received: Received
) -> None:
    row = {"graph": execution.graph, "user": execution.user}
    ended = [GraphExecution.objects.create(**row, status=status) for status in ("COMPLETED", "FAILED")]
    rows = [execution, GraphExecution.objects.create(**row, status="RUNNING"), *ended]
    report_node(execution, node_id="split", status="RUNNING")
    received.clear()
    done, refused = messages_of(act(admin, "terminate_selected", rows))
    assert done == "2 graph executions were terminated."
    assert refused.startswith("2 graph executions were not terminated. ")
    assert f"{rows[2].pk}: TERMINATED may not follow COMPLETED." in refused
    assert sorted(GraphExecution.objects.values_list("status", flat=True)) == [
        "COMPLETED",
        "FAILED",
        "TERMINATED",
        "TERMINATED",
    ]
    assert sorted(received.names) == ["graph_execution_changed"] * 2 + ["node_execution_changed"]
    assert LogEntry.objects.filter(change_message="Terminated.").count() == 2


def test_the_action_requeues_terminated_executions(
    admin: Client, execution: GraphExecution, received: Received
) -> None:
    act(admin, "terminate_selected", [execution])
    assert messages_of(act(admin, "requeue_selected", [execution]))[-1] == "1 graph execution was queued again."
    execution.refresh_from_db()
    assert (execution.status, execution.attempt) == ("QUEUED", 2)
    report_execution(execution, status="RUNNING")
    (refused,) = messages_of(act(admin, "requeue_selected", [execution]))[-1:]
    assert refused.startswith(f"1 graph execution was not queued again. {execution.pk}: QUEUED may not follow RUNNING.")


def test_staff_with_the_view_permission_cannot_change_anything(
    staff: Client, execution: GraphExecution, received: Received
) -> None:
    response = staff.get(url("graphexecution_changelist"))
    assert response.status_code == 200
    assert not response.context["action_form"]
    for action in ("terminate_selected", "requeue_selected", "notify_selected", "delete_selected"):
        act(staff, action, [execution], notify="1", type="info", event="x", post="yes")
    assert staff.get(change_url(execution)).status_code == 200
    assert staff.post(change_url(execution), {"status": "RUNNING"}).status_code == 403
    assert staff.post(url("graphexecution_delete", execution.pk), {"post": "yes"}).status_code == 403
    assert received == []


# Lists and pages


@pytest.fixture
def many(execution: GraphExecution) -> None:
    users = User.objects.bulk_create([User(username=f"user-{number}") for number in range(30)])
    graphs = Graph.objects.bulk_create(
        [Graph(owner=each, name=f"Graph of {each}", nodes=NODES, links=LINKS) for each in users]
    )
    GraphExecution.objects.bulk_create([GraphExecution(graph=each, user=each.owner) for each in graphs])
    NodeExecution.objects.bulk_create(
        [NodeExecution(graph_execution=execution, node_id=f"node-{number}") for number in range(130)]
    )
    Notification.objects.bulk_create([Notification(user=each, type="info", event=f"Hello {each}") for each in users])


@pytest.mark.parametrize("name", ["graph", "graphexecution", "nodeexecution", "notification"])
def test_the_number_of_queries_of_a_list_does_not_depend_on_its_length(
    admin: Client, many: None, django_assert_max_num_queries: Any, name: str
) -> None:
    with django_assert_max_num_queries(8):  # session, user, count, date hierarchy, filters, rows
        response = admin.get(url(f"{name}_changelist"))
    assert len(response.context["cl"].result_list) > 29


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("graph", {"q": "Graph of user-7"}),
        ("graphexecution", {"q": "user-7", "status__exact": "QUEUED", "created_at__year": "{year}"}),
        ("graphexecution", {"q": "{id}"}),
        ("nodeexecution", {"q": "node-77"}),
        ("notification", {"q": "Hello user-7", "read_at__isempty": "1"}),
    ],
)
def test_lists_are_searched_and_filtered(admin: Client, many: None, name: str, query: dict[str, str]) -> None:
    some_id = str(GraphExecution.objects.get(user__username="user-7").pk)
    query = {key: value.format(year=timezone.now().year, id=some_id) for key, value in query.items()}
    assert len(admin.get(url(f"{name}_changelist"), query).context["cl"].result_list) == 1
    assert len(admin.get(url(f"{name}_changelist"), {**query, "q": "nobody"}).context["cl"].result_list) == 0


def test_a_page_with_many_nodes_needs_few_queries_and_can_be_saved(
    admin: Client, execution: GraphExecution, many: None, django_assert_max_num_queries: Any, received: Received
) -> None:
    with django_assert_max_num_queries(8):
        response = admin.get(change_url(execution))
    assert len(response.context["inline_admin_formsets"][0].formset.forms) == 100  # the newest
    data = form_of(admin, execution)
    assert len(data) < 1_000  # the limit of Django
    last = NodeExecution.objects.order_by("-add_time", "-pk").first()
    at = next(key for key, value in data.items() if key.endswith("-id") and value == last.pk).removesuffix("-id")
    # More nodes are created meanwhile, so the posted nodes are no longer the newest ones.
    NodeExecution.objects.bulk_create([NodeExecution(graph_execution=execution, node_id="x") for _ in range(50)])
    received.clear()
    with django_assert_max_num_queries(25):
        assert admin.post(change_url(execution), {**data, f"{at}-status": "RUNNING"}).status_code == 302
    assert received.event.node_exec_id == str(last.pk)
