"""Each deleted row sends a signal, children before parents, inside one transaction."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from executions.events import (
    GraphDeleted,
    GraphExecutionDeleted,
    NodeExecutionDeleted,
    NotificationDeleted,
    UserDeleted,
)
from executions.models import Graph, GraphExecution, NodeExecution, Notification
from tests.executions.conftest import Received, ReceiverError, Statements

pytestmark = pytest.mark.django_db


@pytest.fixture
def deletion_events(graph: Graph, execution: GraphExecution, node: NodeExecution, user: User) -> dict[str, Any]:
    """Signal → event, for the deletion of all rows."""
    notification = Notification.objects.create(user=user, type="info", event="x")
    ids = {"user_id": str(user.pk)}
    return {
        "node_execution_deleted": NodeExecutionDeleted(
            node_exec_id=str(node.pk), graph_exec_id=str(execution.pk), **ids
        ),
        "graph_execution_deleted": GraphExecutionDeleted(id=str(execution.pk), graph_id=str(graph.pk), **ids),
        "graph_deleted": GraphDeleted(id=str(graph.pk), user_ids=[str(user.pk)], **ids),
        "notification_deleted": NotificationDeleted(id=str(notification.pk), **ids),
        "user_deleted": UserDeleted(id=str(user.pk)),
    }


def assert_received(received: Received, deletion_events: dict[str, Any], names: list[str]) -> None:
    assert dict(zip(received.names, received.events, strict=True)) == {name: deletion_events[name] for name in names}
    assert not any(sent.is_bulk for sent in received)
    order = [name for name in received.names if name != "notification_deleted"]
    assert order == [name for name in deletion_events if name in order]


def test_the_deletion_of_a_node_sends_a_signal(
    deletion_events: dict[str, Any], node: NodeExecution, received: Received
) -> None:
    NodeExecution.objects.get(pk=node.pk).delete()
    assert_received(received, deletion_events, ["node_execution_deleted"])


def test_the_deletion_of_an_execution_deletes_its_nodes_first(
    deletion_events: dict[str, Any], execution: GraphExecution, received: Received
) -> None:
    execution.delete()
    assert_received(received, deletion_events, ["node_execution_deleted", "graph_execution_deleted"])


def test_the_deletion_of_a_graph_deletes_its_executions_first(
    deletion_events: dict[str, Any], graph: Graph, received: Received
) -> None:
    graph.delete()
    assert_received(received, deletion_events, ["node_execution_deleted", "graph_execution_deleted", "graph_deleted"])


def test_the_deletion_of_a_user_deletes_everything_of_the_user_first(
    deletion_events: dict[str, Any], user: User, received: Received
) -> None:
    user.delete()
    assert_received(received, deletion_events, list(deletion_events))
    assert not GraphExecution.objects.exists()


def test_executions_of_another_user_are_deleted_with_the_graph(
    graph: Graph, user: User, other_user: User, received: Received
) -> None:
    first = GraphExecution.objects.create(graph=graph, user=other_user)
    second = GraphExecution.objects.create(graph=graph, user=other_user)
    received.clear()
    graph.delete()
    assert {event.id for event in received.events[:2]} == {str(first.pk), str(second.pk)}
    assert [event.user_id for event in received.events] == [str(other_user.pk)] * 2 + [str(user.pk)]


@pytest.mark.parametrize(
    "rows",
    [
        GraphExecution.objects.all(),
        GraphExecution.objects.only("pk"),
        GraphExecution.objects.defer("user", "graph"),
        GraphExecution.objects.filter(graph__name="Text insight").select_related("graph").order_by("-created_at"),
    ],
)
def test_the_deletion_of_a_queryset_sends_a_signal_for_each_row(
    deletion_events: dict[str, Any], rows: Any, received: Received
) -> None:
    count, _ = rows.all().delete()
    assert count == 2
    assert_received(received, deletion_events, ["node_execution_deleted", "graph_execution_deleted"])


def test_the_deletion_of_nodes_reads_each_execution_once(
    graph: Graph, user: User, received: Received, statements: Statements
) -> None:
    for _ in range(2):
        execution = GraphExecution.objects.create(graph=graph, user=user)
        NodeExecution.objects.bulk_create(
            [NodeExecution(graph_execution=execution, node_id=str(number)) for number in range(5)]
        )
    received.clear()
    with statements:
        NodeExecution.objects.all().delete()
    assert statements.verbs == ["SELECT", "SELECT", "SELECT", "DELETE"]
    assert len(received) == 10
    assert {event.user_id for event in received.events} == {str(user.pk)}


def test_a_node_that_was_deleted_with_its_execution_sends_no_second_signal(
    node: NodeExecution, received: Received
) -> None:
    stale = NodeExecution.objects.get()
    GraphExecution.objects.all().delete()
    received.clear()
    assert stale.delete()[0] == 0
    assert received == []


def test_the_deletion_of_no_rows_sends_no_signal(received: Received) -> None:
    GraphExecution.objects.all().delete()
    assert received == []


@pytest.mark.django_db(transaction=True)
def test_the_signal_of_a_deletion_is_sent_inside_the_transaction_after_the_row_is_deleted(
    deletion_events: dict[str, Any], user: User, received: Received
) -> None:
    user.delete()
    assert all(sent.is_inside_transaction for sent in received)
    assert not connection.in_atomic_block


def test_a_receiver_that_raises_prevents_the_deletion(
    deletion_events: dict[str, Any], user: User, failing_receivers: None
) -> None:
    for delete in (user.delete, GraphExecution.objects.all().delete):
        with pytest.raises(ReceiverError), transaction.atomic():
            delete()
    assert GraphExecution.objects.exists()
    assert NodeExecution.objects.exists()
    assert Notification.objects.exists()
