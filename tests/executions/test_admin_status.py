"""Edits of a status: checked, written alone, and locked while they are saved."""

import threading

import pytest
from django.db import transaction
from django.test import Client

from executions.models import GraphExecution, NodeExecution
from executions.services import report_execution, report_node
from tests.executions.admin_pages import change_url, errors_of, form_of
from tests.executions.conftest import InThread, Received, wait_for_blocked_transaction

pytestmark = pytest.mark.django_db


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


def test_a_node_has_its_own_page(admin: Client, node: NodeExecution, received: Received) -> None:
    assert admin.post(change_url(node), {**form_of(admin, node), "status": "RUNNING"}).status_code == 302
    assert received.event.status == "RUNNING"
    response = admin.post(change_url(node), {**form_of(admin, node), "status": "QUEUED"})
    assert "QUEUED may not follow RUNNING" in errors_of(response)


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
