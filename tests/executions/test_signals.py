"""Every kind of write sends its signal."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, models
from django.utils import timezone

from executions.models import Graph, GraphExecution, NodeExecution, Notification
from executions.services import NodeReport, report_all
from tests.executions.conftest import SIGNALS, Received, ReceiverError

EXECUTIONS, NODES, NOTIFICATIONS = GraphExecution.objects, NodeExecution.objects, Notification.objects


def saved(row: Any, **values: Any) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    row.save()


def new_node() -> NodeExecution:
    return NodeExecution(graph_execution=EXECUTIONS.get(), node_id="rank")


# Name of the write → the write, and the signal that it sends. The fixture `rows` creates the rows.
WRITES: dict[str, tuple[Callable[[], Any], str]] = {
    "save": (lambda: saved(EXECUTIONS.get(), status="RUNNING"), "graph_execution_changed"),
    "report_all": (
        lambda: report_all([NodeReport(EXECUTIONS.get(), node_id="x", status="RUNNING")]),
        "reports_recorded",
    ),
    "save of some fields": (lambda: NODES.get().save(update_fields=["status"]), "node_execution_changed"),
    "create": (lambda: NODES.create(graph_execution=EXECUTIONS.get(), node_id="x"), "node_execution_changed"),
    "update": (lambda: NODES.update(status="RUNNING"), "node_execution_changed"),
    "update of the team": (lambda: EXECUTIONS.update(team_id="1"), "graph_executions_reassigned"),
    "bulk_create": (lambda: NODES.bulk_create([new_node()]), "node_execution_changed"),
    "bulk_update": (lambda: NODES.bulk_update(NODES.all(), ["status"]), "node_execution_changed"),
    "update_or_create": (
        lambda: NODES.update_or_create(node_id="split", defaults={"status": "RUNNING"}),
        "node_execution_changed",
    ),
    "related update": (lambda: EXECUTIONS.get().node_executions.update(status="FAILED"), "node_execution_changed"),
    "base manager": (lambda: GraphExecution._base_manager.update(outputs={"a": [1]}), "graph_execution_changed"),
    "notify": (lambda: NOTIFICATIONS.create(user=User.objects.get(), type="info", event="x"), "notification_created"),
    "read": (lambda: saved(NOTIFICATIONS.get(), read_at=timezone.now()), "notification_read"),
    "delete a node": (lambda: NODES.get().delete(), "node_execution_deleted"),
    "delete a notification": (lambda: NOTIFICATIONS.all().delete(), "notification_deleted"),
    "delete an execution": (lambda: EXECUTIONS.get().delete(), "graph_execution_deleted"),
    "delete a graph": (lambda: Graph.objects.get().delete(), "graph_deleted"),
    "delete a user": (lambda: User.objects.get().delete(), "user_deleted"),
}


@pytest.fixture(params=list(WRITES))
def write(request: pytest.FixtureRequest) -> Callable[[], Any]:
    return WRITES[request.param][0]


@pytest.fixture
def rows(node: NodeExecution, user: User) -> None:
    NOTIFICATIONS.create(user=user, type="info", event="x")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", list(WRITES))
def test_every_write_signals_inside_its_transaction(rows: None, received: Received, name: str) -> None:
    write, signal = WRITES[name]
    assert not connection.in_atomic_block
    write()
    assert signal in received.names
    assert all(sent.is_inside_transaction for sent in received)


def everything() -> list[dict[str, Any]]:
    return [row for model in (Graph, GraphExecution, NodeExecution, Notification) for row in model.objects.values()]


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_raises_makes_every_write_fail(
    rows: None, failing_receivers: None, write: Callable[[], Any]
) -> None:
    before = everything()
    with pytest.raises(ReceiverError):
        write()
    assert everything() == before


def test_every_signal_is_sent_by_some_write() -> None:
    no_writes = {"start_refused", "data_offered"}
    assert {signal for _, signal in WRITES.values()} == set(SIGNALS) - no_writes


def test_no_relation_changes_rows_without_a_signal() -> None:
    """SET_NULL and similar options would write rows without a signal."""
    for model in (Graph, GraphExecution, NodeExecution, Notification):
        for field in model._meta.concrete_fields:
            if field.remote_field:
                assert field.remote_field.on_delete is models.CASCADE
        assert model._meta.base_manager_name == "objects"
