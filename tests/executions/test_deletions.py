"""Deletions: every row that goes is told, children before parents, inside one transaction."""

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
def gone(graph: Graph, execution: GraphExecution, node: NodeExecution, user: User) -> dict[str, Any]:
    """What is told when all of it is deleted."""
    notification = Notification.objects.create(user=user, type="info", event="x")
    ids = {"user_id": str(user.pk)}
    return {
        "node_execution_deleted": NodeExecutionDeleted(
            node_exec_id=str(node.pk), graph_exec_id=str(execution.pk), **ids
        ),
        "graph_execution_deleted": GraphExecutionDeleted(id=str(execution.pk), graph_id=str(graph.pk), **ids),
        "graph_deleted": GraphDeleted(id=str(graph.pk), **ids),
        "notification_deleted": NotificationDeleted(id=str(notification.pk), **ids),
        "user_deleted": UserDeleted(id=str(user.pk)),
    }


def assert_told(received: Received, gone: dict[str, Any], names: list[str]) -> None:
    assert dict(zip(received.names, received.events, strict=True)) == {name: gone[name] for name in names}
    assert not any(sent.is_bulk for sent in received)
    order = [name for name in received.names if name != "notification_deleted"]
    assert order == [name for name in gone if name in order]


def test_a_node(gone: dict[str, Any], node: NodeExecution, received: Received) -> None:
    NodeExecution.objects.get(pk=node.pk).delete()
    assert_told(received, gone, ["node_execution_deleted"])


def test_an_execution_goes_with_its_nodes(gone: dict[str, Any], execution: GraphExecution, received: Received) -> None:
    execution.delete()
    assert_told(received, gone, ["node_execution_deleted", "graph_execution_deleted"])


def test_a_graph_goes_with_its_executions(gone: dict[str, Any], graph: Graph, received: Received) -> None:
    graph.delete()
    assert_told(received, gone, ["node_execution_deleted", "graph_execution_deleted", "graph_deleted"])


def test_a_user_goes_with_everything(gone: dict[str, Any], user: User, received: Received) -> None:
    user.delete()
    assert_told(received, gone, list(gone))
    assert not GraphExecution.objects.exists()


def test_an_execution_of_anothers_graph_goes_with_either(
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
def test_a_queryset(gone: dict[str, Any], rows: Any, received: Received) -> None:
    count, _ = rows.all().delete()
    assert count == 2
    assert_told(received, gone, ["node_execution_deleted", "graph_execution_deleted"])


def test_a_queryset_of_nodes_asks_for_each_execution_once(
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


def test_a_node_that_went_with_its_execution_is_not_told_again(node: NodeExecution, received: Received) -> None:
    stale = NodeExecution.objects.get()
    GraphExecution.objects.all().delete()
    received.clear()
    assert stale.delete()[0] == 0
    assert received == []


def test_a_queryset_that_finds_nothing_is_not_told(received: Received) -> None:
    GraphExecution.objects.all().delete()
    assert received == []


@pytest.mark.django_db(transaction=True)
def test_deletions_are_told_inside_their_transaction_when_the_row_is_gone(
    gone: dict[str, Any], user: User, received: Received
) -> None:
    user.delete()
    assert all(sent.is_inside_transaction for sent in received)
    assert not connection.in_atomic_block


def test_a_receiver_that_raises_keeps_everything(gone: dict[str, Any], user: User, failing_receivers: None) -> None:
    for delete in (user.delete, GraphExecution.objects.all().delete):
        with pytest.raises(ReceiverError), transaction.atomic():
            delete()
    assert GraphExecution.objects.exists()
    assert NodeExecution.objects.exists()
    assert Notification.objects.exists()
