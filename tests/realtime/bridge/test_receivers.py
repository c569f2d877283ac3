"""Which signal makes which events on which streams."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.dispatch import Signal
from pytest_django import Settings

from executions import signals
from executions.events import (
    GraphDeleted,
    GraphExecutionDeleted,
    GraphExecutionEvent,
    NodeExecutionDeleted,
    NodeExecutionEvent,
    NotificationDeleted,
    NotificationEvent,
    NotificationPayload,
    NotificationRead,
    UserDeleted,
)
from executions.models import Graph, Notification
from executions.services import notify_user, start_execution
from executions.statuses import ExecutionStatus
from realtime.bridge import receivers
from realtime.models import Stream, StreamEvent
from realtime.publishing.after_commit import numbered_head
from tests.realtime.conftest import Counted

pytestmark = pytest.mark.django_db(transaction=True)

EXECUTION, GRAPH, NOTIFICATIONS = "user-1|graph_exec#e1", "user-1|graph#g1|executions", "user-1|notifications"
WHEN = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


def execution(id: str = "e1", user_id: str = "user-1", **fields: Any) -> GraphExecutionEvent:
    return GraphExecutionEvent(
        id=id, user_id=user_id, graph_id="g1", graph_version=1, status=ExecutionStatus.RUNNING, **fields
    )


def node(node_exec_id: str = "n1", graph_exec_id: str = "e1") -> NodeExecutionEvent:
    return NodeExecutionEvent(
        user_id="user-1",
        graph_id="g1",
        graph_version=1,
        graph_exec_id=graph_exec_id,
        node_exec_id=node_exec_id,
        node_id="node",
        block_id="block",
        status=ExecutionStatus.QUEUED,
        add_time=WHEN,
    )


def notification(id: str = "m1", user_id: str = "user-1") -> NotificationEvent:
    return NotificationEvent(id=id, user_id=user_id, payload=NotificationPayload(type="info", event="hey"))


def on_streams() -> dict[str, list[tuple[str, str, Any]]]:
    """The method, entity and data of every event, by the key of its stream."""
    found: dict[str, list[tuple[str, str, Any]]] = {}
    for event in StreamEvent.objects.select_related("stream", "data_of").order_by("stream", "seq"):
        assert event.stream
        data = event.data if event.data_of is None else event.data_of.data
        assert data is not None
        found.setdefault(event.stream.key, []).append((event.method, event.entity, json.loads(data)))
    return found


def as_wire(event: Any) -> Any:
    return json.loads(event.model_dump_json())


SIGNALS: list[tuple[Signal, Any, dict[str, list[tuple[str, str, Any]]]]] = [
    (
        signals.graph_execution_changed,
        execution(),
        {
            EXECUTION: [("graph_execution_event", "graph", as_wire(execution()))],
            GRAPH: [("graph_execution_event", "e1", as_wire(execution()))],
        },
    ),
    (signals.node_execution_changed, node(), {EXECUTION: [("node_execution_event", "n1", as_wire(node()))]}),
    (
        signals.node_execution_deleted,
        NodeExecutionDeleted(node_exec_id="n1", graph_exec_id="e1", user_id="user-1"),
        {EXECUTION: [("node_execution_deleted", "n1", {"graph_exec_id": "e1", "node_exec_id": "n1"})]},
    ),
    (
        signals.graph_execution_deleted,
        GraphExecutionDeleted(id="e1", user_id="user-1", graph_id="g1"),
        {GRAPH: [("execution_deleted", "e1", {"graph_exec_id": "e1"})]},
    ),
    (
        signals.notification_created,
        notification(),
        {NOTIFICATIONS: [("notification", "m1", {"type": "info", "event": "hey"})]},
    ),
    (
        signals.notification_read,
        NotificationRead(id="m1", user_id="user-1", read=True),
        {NOTIFICATIONS: [("notification_read", "m1", {"ids": ["m1"], "read": True})]},
    ),
    (
        signals.notification_deleted,
        NotificationDeleted(id="m1", user_id="user-1"),
        {NOTIFICATIONS: [("notification_deleted", "m1", {"ids": ["m1"]})]},
    ),
    (signals.graph_deleted, GraphDeleted(id="g1", user_id="user-1"), {}),
    (signals.user_deleted, UserDeleted(id="user-1"), {}),
]


@pytest.mark.parametrize(
    ("signal", "event", "expected"), SIGNALS, ids=[type(event).__name__ for _, event, _ in SIGNALS]
)
def test_a_signal_makes_events_on_its_streams(signal: Signal, event: Any, expected: dict[str, Any]) -> None:
    signal.send(sender=object, event=event)
    assert on_streams() == expected


def test_a_notification_that_is_created_as_read_is_told_as_read() -> None:
    user = get_user_model().objects.create_user("reader")
    made = Notification.objects.create(user=user, type="info", event="hey", read_at=WHEN)
    assert [event[::2] for event in on_streams()[f"{user.pk}|notifications"]] == [
        ("notification", {"type": "info", "event": "hey"}),
        ("notification_read", {"ids": [str(made.pk)], "read": True}),
    ]


def test_every_signal_of_executions_has_a_receiver() -> None:
    all_signals = {name for name, value in vars(signals).items() if isinstance(value, Signal)}
    others = [
        signals.reports_recorded,
        signals.start_refused,
        signals.data_offered,
        signals.graph_executions_reassigned,
    ]
    assert len(all_signals) == len([*SIGNALS, *others])
    for name in all_signals:
        assert getattr(signals, name).has_listeners(), name


def test_a_refused_start_is_counted_and_makes_no_event(counted: Counted) -> None:
    signals.start_refused.send(sender=object, user_id=1, limit="MAX_QUEUED")
    assert counted["refused_starts"] == 1
    assert not on_streams()


def test_connecting_twice_makes_no_event_twice() -> None:
    receivers.connect()
    signals.node_execution_changed.send(sender=object, event=node())
    assert len(on_streams()[EXECUTION]) == 1


@pytest.mark.postgres
@pytest.mark.parametrize("others", [False, True])
def test_an_event_gets_its_number_with_its_insert_if_only_the_commit_follows(others: bool) -> None:
    numbered_head(EXECUTION)

    def receive(**kwargs: Any) -> None:
        """The receiver of another app, which may take long."""

    if others:
        signals.node_execution_changed.connect(receive)
    try:
        with transaction.atomic():
            signals.node_execution_changed.send(sender=object, event=node(), is_last_before_commit=True)
            assert StreamEvent.objects.get().seq == (None if others else 1)
    finally:
        signals.node_execution_changed.disconnect(receive)
    assert StreamEvent.objects.get().seq == 1


def test_the_changes_of_a_bulk_write_keep_their_order() -> None:
    changes = [execution(id=f"e{number % 3}", outputs={"n": [number]}) for number in range(9)]
    signals.graph_execution_changed.send(sender=object, events=changes)
    recorded = on_streams()
    assert [data["outputs"]["n"] for _, _, data in recorded[GRAPH]] == [[number] for number in range(9)]
    assert [data["outputs"]["n"] for _, _, data in recorded["user-1|graph_exec#e1"]] == [[1], [4], [7]]


def test_the_changes_of_a_batch_of_reports_keep_their_order_and_come_once() -> None:
    changes = [execution(), node("n1"), execution(outputs={"a": [1]}), node("n2"), execution("e2")]
    signals.reports_recorded.send(sender=None, events=changes)
    for each in changes:
        signal = signals.node_execution_changed if hasattr(each, "node_id") else signals.graph_execution_changed
        signal.send(sender=object, event=each, of_reports=True)
    recorded = on_streams()
    assert [entity for _, entity, _ in recorded[EXECUTION]] == ["graph", "n1", "graph", "n2"]
    assert [entity for _, entity, _ in recorded[GRAPH]] == ["e1", "e1", "e2"]


def test_a_bulk_write_without_a_change_makes_no_event() -> None:
    signals.node_execution_changed.send(sender=object, events=[])
    assert not StreamEvent.objects.exists()


def test_the_events_of_one_user_are_on_no_stream_of_another() -> None:
    signals.graph_execution_changed.send(sender=object, event=execution())
    signals.graph_execution_changed.send(sender=object, event=execution(user_id="user-2"))
    signals.notification_created.send(sender=object, event=notification(user_id="user-2"))
    assert set(on_streams()) == {
        EXECUTION,
        GRAPH,
        "user-2|graph_exec#e1",
        "user-2|graph#g1|executions",
        "user-2|notifications",
    }


def test_a_deleted_execution_ends_its_stream_and_not_that_of_its_graph() -> None:
    signals.graph_execution_changed.send(sender=object, event=execution())
    signals.node_execution_changed.send(sender=object, event=node())
    with transaction.atomic():
        signals.node_execution_deleted.send(
            sender=object, event=NodeExecutionDeleted(node_exec_id="n1", graph_exec_id="e1", user_id="user-1")
        )
        signals.graph_execution_deleted.send(
            sender=object, event=GraphExecutionDeleted(id="e1", user_id="user-1", graph_id="g1")
        )
    assert [method for method, _, _ in on_streams().pop(GRAPH)] == ["graph_execution_event", "execution_deleted"]
    assert not Stream.objects.filter(key=EXECUTION).exists()


def test_a_deleted_graph_ends_its_stream() -> None:
    signals.graph_execution_changed.send(sender=object, event=execution())
    signals.graph_deleted.send(sender=object, event=GraphDeleted(id="g1", user_id="user-1"))
    assert set(on_streams()) == {EXECUTION}


def test_a_deleted_graph_ends_the_streams_of_all_users_who_had_executions_of_it() -> None:
    for user_id in ("user-1", "user-2", "user-3"):
        signals.graph_execution_changed.send(
            sender=object, event=execution().model_copy(update={"id": f"e-{user_id}", "user_id": user_id})
        )
    signals.graph_deleted.send(
        sender=object, event=GraphDeleted(id="g1", user_id="user-1", user_ids=["user-2", "user-1"])
    )
    assert {key for key in on_streams() if "graph#" in key} == {"user-3|graph#g1|executions"}


def test_a_deleted_user_leaves_no_stream_behind() -> None:
    user = get_user_model().objects.create_user("leaves")
    graph = Graph.objects.create(owner=user, name="A graph")
    start_execution(graph, user=user)
    notify_user(user, type="info", event="hey")
    assert Stream.objects.count() == 3
    user.delete()
    assert not Stream.objects.exists()
    assert not StreamEvent.objects.exists()


def test_a_rolled_back_change_makes_no_event() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        signals.node_execution_changed.send(sender=object, event=node())
        raise RuntimeError
    assert not StreamEvent.objects.exists()


def test_a_change_whose_event_is_too_large_fails(settings: Settings) -> None:
    settings.REALTIME = {"MAX_EVENT_BYTES": 100}
    with pytest.raises(ValueError, match="MAX_EVENT_BYTES"):
        signals.graph_execution_changed.send(sender=object, event=execution())
    assert not StreamEvent.objects.exists()
