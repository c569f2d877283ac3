"""`bulk_create()`: all rows or none, one signal with an event for each row."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, NotSupportedError, transaction

from executions.models import Graph, GraphExecution, NodeExecution
from tests.executions.conftest import Received, Statements
from tests.executions.recording.conftest import ALL, events_of

pytestmark = pytest.mark.django_db


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def test_bulk_create_sends_one_signal_with_an_event_for_each_row(graph: Graph, user: User, received: Received) -> None:
    made = ALL.bulk_create(
        [
            GraphExecution(id=str(uuid4()), graph=graph, user=user, inputs={"at": LONG_AGO}),
            GraphExecution(graph=graph, user=user, status="RUNNING"),
            GraphExecution(graph=graph, user=user, status="COMPLETED", started_at=LONG_AGO),
        ]
    )
    assert len(received) == 1
    assert received.events == events_of(made)
    assert made[0].inputs == {"at": "2020-01-01T00:00:00Z"}
    assert made[1].started_at
    assert made[2].ended_at


def test_bulk_create_of_nodes_reads_their_executions_in_one_query(
    executions: list[GraphExecution], statements: Statements, received: Received
) -> None:
    with statements:
        nodes = NodeExecution.objects.bulk_create(
            [NodeExecution(graph_execution_id=row.pk, node_id="split") for row in executions]
        )
    assert statements.verbs == ["INSERT", "SELECT"]
    assert [event.node_exec_id for event in received.events] == sorted(str(node.pk) for node in nodes)


@pytest.mark.parametrize("options", [{"ignore_conflicts": True}, {"update_conflicts": True}])
def test_bulk_create_refuses_the_options_for_conflicts(
    graph: Graph, user: User, received: Received, options: dict[str, Any]
) -> None:
    with pytest.raises(NotSupportedError, match="cannot ignore or update conflicts"):
        ALL.bulk_create([GraphExecution(graph=graph, user=user)], **options)
    assert received == []


def test_bulk_create_is_all_or_none(executions: list[GraphExecution], received: Received) -> None:
    new = GraphExecution(graph_id=executions[0].graph_id, user_id=executions[0].user_id)
    with pytest.raises(IntegrityError), transaction.atomic():
        ALL.bulk_create([new, executions[0]])
    with pytest.raises(ValueError, match="not a valid ExecutionStatus"):
        ALL.bulk_create([new, GraphExecution(graph_id=new.graph_id, user_id=new.user_id, status="DONE")])
    assert ALL.count() == 6
    assert received == []


def test_bulk_create_of_no_rows_sends_no_signal(received: Received) -> None:
    assert ALL.bulk_create([]) == []
    assert received == []
