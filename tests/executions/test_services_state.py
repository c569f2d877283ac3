"""The old state and the events give the new state, so a client needs no other source."""

from collections.abc import Callable
from typing import Any

import pytest

from executions import services
from executions.events import GraphExecutionEvent, NodeExecutionEvent, NotificationEvent, NotificationRead
from executions.models import GraphExecution, NodeExecution, Notification
from executions.services import (
    finish_execution,
    mark_read,
    notify_user,
    report_execution,
    report_node,
    requeue_execution,
    start_execution,
    terminate_execution,
)
from tests.executions.conftest import Received

pytestmark = pytest.mark.django_db


CALLS: dict[str, Callable[[GraphExecution], Any]] = {
    "start": lambda execution: start_execution(execution.graph, user=execution.user, inputs={"n": 1}),
    "report a new node": lambda execution: report_node(execution, node_id="new", status="RUNNING", input_data={"a": 1}),
    "report a node": lambda execution: report_node(execution, node_id="a", status="COMPLETED", output_data={"o": [1]}),
    "report": lambda execution: report_execution(execution, status="REVIEW", outputs={"a": [1]}, stats={"cost": 1}),
    "finish": lambda execution: finish_execution(execution, outputs={"report": ["x"]}, stats={"duration": 1.5}),
    "fail": lambda execution: finish_execution(execution, status="FAILED", error="It broke."),
    "terminate": terminate_execution,
    "requeue": lambda execution: requeue_execution(terminate_execution(execution)),
    "resume": lambda execution: requeue_execution(report_execution(execution, status="REVIEW")),
    "notify": lambda execution: notify_user(execution.user, type="info", event="x", run=str(execution.pk)),
    "read": lambda execution: mark_read(execution.user),
}


def database() -> dict[str, Any]:
    """What a client can know: each row as its event, and whether a notification is read."""
    known: dict[str, Any] = {}
    for model in (GraphExecution, NodeExecution):
        known |= {str(row.pk): row.to_event() for row in model.objects.all()}
    for row in Notification.objects.all():
        known[str(row.pk)] = (row.to_event(), row.read_at is not None)
    return known


def apply(known: dict[str, Any], event: Any) -> None:
    """Applies an event as a client does."""
    match event:
        case GraphExecutionEvent():
            known[event.id] = event
        case NodeExecutionEvent():
            known[event.node_exec_id] = event
        case NotificationEvent():
            known[event.id] = (event, False)
        case NotificationRead():
            known[event.id] = (known[event.id][0], event.read)
        case _:
            pytest.fail(f"A client would not know what to do with {event!r}.")


@pytest.mark.parametrize("call", CALLS)
def test_the_old_state_and_the_events_are_the_new_state(running: GraphExecution, received: Received, call: str) -> None:
    for number, status in enumerate(["QUEUED", "RUNNING", "RUNNING", "REVIEW"]):
        NodeExecution.objects.create(graph_execution=running, node_id="abcd"[number], status=status)
    NodeExecution.objects.filter(node_id="a").update(status="RUNNING")
    for text in ("x", "y"):
        notify_user(running.user, type="info", event=text)
    received.clear()
    known = database()
    CALLS[call](running)
    changed = database()
    assert changed != known
    for event in received.events:
        apply(known, event)
    assert known == changed


def test_every_function_is_called_above() -> None:
    functions = {
        name for name, each in vars(services).items() if callable(each) and each.__module__ == services.__name__
    }
    public = {name for name in functions if name[0].islower()}
    words = {"start", "report", "append", "finish", "terminate", "requeue", "notify", "mark"}
    assert {name.split("_")[0] for name in public} == words
