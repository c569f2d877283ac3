"""The admin: edits are checked and send signals, invalid values are errors of the form, actions report their result."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from executions.admin import NotificationAdmin
from executions.models import Graph, GraphExecution, NodeExecution, Notification
from executions.services import report_execution, report_node
from tests.executions.admin_pages import act, change_url, errors_of, form_of, messages_of, url
from tests.executions.conftest import NODES, Received

pytestmark = pytest.mark.django_db


def test_a_node_can_be_deleted_on_the_page_of_its_execution(
    admin: Client, node: NodeExecution, received: Received
) -> None:
    data = {**form_of(admin, node.graph_execution), "node_executions-0-DELETE": "on"}
    assert admin.post(change_url(node.graph_execution), data).status_code == 302
    assert received.names == ["node_execution_deleted"]


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


def test_an_edited_graph_is_checked_and_gets_a_new_version(admin: Client, graph: Graph) -> None:
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


def test_a_forged_page_moves_no_row(
    admin: Client, node: NodeExecution, user: User, other_user: User, received: Received
) -> None:
    """The fields are not in the forms of rows that exist, and what a page posts in addition is ignored."""
    execution = node.graph_execution
    other = GraphExecution.objects.create(graph=execution.graph, user=user)
    foreign = NodeExecution.objects.create(graph_execution=other, node_id="rank")
    notification = Notification.objects.create(user=user, type="info", event="hey")
    received.clear()
    for row, forged in (
        (execution, {"user": other_user.pk, "graph": Graph.objects.create(owner=user, name="Other").pk}),
        (node, {"graph_execution": other.pk}),
        (notification, {"user": other_user.pk}),
    ):
        page = form_of(admin, row)
        assert not page.keys() & forged.keys()
        assert admin.post(change_url(row), {**page, **forged}).status_code == 302
    data = {**form_of(admin, execution), "node_executions-0-status": "RUNNING"}
    response = admin.post(change_url(execution), {**data, "node_executions-0-graph_execution": other.pk})
    assert "The inline value did not match the parent instance" in errors_of(response)
    assert admin.post(change_url(execution), {**data, "node_executions-0-id": foreign.pk}).status_code == 302
    assert received == []


def test_an_editable_list_that_moves_a_row_shows_an_error(
    admin: Client, user: User, other_user: User, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NotificationAdmin, "list_editable", ("user", "read_at"))
    monkeypatch.setattr(NotificationAdmin, "get_readonly_fields", lambda *args: ("created_at",))
    notification = Notification.objects.create(user=user, type="info", event="hey")
    received.clear()
    page = {"form-TOTAL_FORMS": 1, "form-INITIAL_FORMS": 1, "form-0-id": notification.pk, "_save": "Save"}
    read = {**page, "form-0-read_at_0": "2024-05-06", "form-0-read_at_1": "07:08:09"}
    response = admin.post(url("notification_changelist"), {**read, "form-0-user": other_user.pk})
    assert "The user of a notification cannot change" in str(response.context["cl"].formset.errors)
    assert received == []
    assert admin.post(url("notification_changelist"), {**read, "form-0-user": user.pk}).status_code == 302
    assert received.names == ["notification_read"]
    response = admin.post(change_url(notification), {**form_of(admin, notification), "user": other_user.pk})
    assert "The user of a notification cannot change" in errors_of(response)


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


def test_a_page_shows_the_start_of_a_large_value(admin: Client, node: NodeExecution, user: User) -> None:
    large = {"text": ["x" * 500_000]}
    node.output_data = large
    node.save()
    GraphExecution.objects.filter(pk=node.graph_execution_id).update(outputs=large, definition=large)
    Notification.objects.create(user=user, type="info", event="y" * 500_000)
    for page in (
        change_url(node.graph_execution),
        change_url(node),
        url("notification_changelist"),
    ):
        assert len(admin.get(page).content) < 60_000
    assert "and more" in admin.get(change_url(node)).content.decode()
