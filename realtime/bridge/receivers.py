"""Which change makes which event on which stream. The changes are the signals of `executions`.

    graph execution changed    execution's stream (entity "graph"), graph's stream (entity: the execution's id)
    node execution changed     execution's stream (entity: the node execution's id)
    notification created, read, deleted    the user's notifications (entity: the notification's id)
    execution deleted          the execution's stream ends; `execution_deleted` on the graph's
    graph deleted              the graph's stream of each user who had executions of it ends
    user deleted               the stream of the notifications ends
    reports recorded           what the first two do, for many changes together

`sharing.py` adds the streams of those who have a link to an execution.

All receivers run inside the transaction of the change.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from django.dispatch import Signal

from executions import signals
from executions.events import (
    GraphDeleted,
    GraphExecutionDeleted,
    GraphExecutionEvent,
    NodeExecutionDeleted,
    NodeExecutionEvent,
    NotificationDeleted,
    NotificationEvent,
    NotificationRead,
    UserDeleted,
)
from realtime import streams
from realtime.bridge import log_budget
from realtime.bridge.sharing import changes_of_guests
from realtime.log.types import END, EventDraft, StreamRef
from realtime.publishing.recording import as_json, record_events
from realtime.wire.methods import WSMethod


def connect() -> None:
    """Connects every signal to the function that makes its drafts."""
    for signal, make_drafts in (
        (signals.graph_execution_changed, on_graph_execution_changed),
        (signals.graph_execution_deleted, on_graph_execution_deleted),
        (signals.node_execution_changed, on_node_execution_changed),
        (signals.node_execution_deleted, on_node_execution_deleted),
        (signals.notification_created, on_notification_created),
        (signals.notification_read, on_notification_read),
        (signals.notification_deleted, on_notification_deleted),
        (signals.graph_deleted, on_graph_deleted),
        (signals.user_deleted, on_user_deleted),
    ):
        _connect(signal, make_drafts)
    signals.reports_recorded.connect(publish_reports, dispatch_uid=publish_reports.__name__)


def publish_reports(events: Sequence[GraphExecutionEvent | NodeExecutionEvent], **kwargs: Any) -> None:
    """Records the events in the order of the reports, because the stream of an execution has events of both models."""
    _record(
        [
            (
                event,
                on_node_execution_changed(event)
                if isinstance(event, NodeExecutionEvent)
                else on_graph_execution_changed(event),
            )
            for event in events
        ]
    )


def _connect(signal: Signal, make_drafts: Callable[[Any], list[EventDraft]]) -> None:
    def publish_changes(
        sender: type,
        event: Any = None,
        events: Sequence[Any] = (),
        of_reports: bool = False,
        is_last_before_commit: bool = False,
        fields: Collection[str] = (),
        **kwargs: Any,
    ) -> None:
        if of_reports:
            return  # `publish_reports` has recorded them
        changes = [event] if event is not None else events
        _record(
            [(change, make_drafts(change)) for change in changes],
            # Another receiver of the signal may run longer, and would keep the heads locked.
            is_last_before_commit=is_last_before_commit and len(signal.receivers) == 1,
            fields=fields,
        )

    signal.connect(publish_changes, weak=False, dispatch_uid=make_drafts.__name__)


def _record(
    changes: Sequence[tuple[Any, list[EventDraft]]],
    *,
    is_last_before_commit: bool = False,
    fields: Collection[str] = (),
) -> None:
    """Records the drafts of each change, and what guests get of them, and charges all to its user."""
    changes = [*changes, *changes_of_guests([event for event, _ in changes], fields)]
    record_events([draft for _, drafts in changes for draft in drafts], is_last_before_commit=is_last_before_commit)
    log_budget.charge(changes)


def on_graph_execution_changed(event: GraphExecutionEvent) -> list[EventDraft]:
    execution = StreamRef(streams.graph_exec(event.user_id, event.id), "graph")
    graph = StreamRef(streams.graph_execs(event.user_id, event.graph_id), event.id)
    return [EventDraft(WSMethod.GRAPH_EXECUTION_EVENT, as_json(event), (execution, graph))]


def on_graph_execution_deleted(event: GraphExecutionDeleted) -> list[EventDraft]:
    graph = StreamRef(streams.graph_execs(event.user_id, event.graph_id), event.id)
    return [
        _end(streams.graph_exec(event.user_id, event.id)),
        EventDraft(WSMethod.EXECUTION_DELETED, as_json({"graph_exec_id": event.id}), (graph,)),
    ]


def on_node_execution_changed(event: NodeExecutionEvent) -> list[EventDraft]:
    execution = StreamRef(streams.graph_exec(event.user_id, event.graph_exec_id), event.node_exec_id)
    return [EventDraft(WSMethod.NODE_EXECUTION_EVENT, as_json(event), (execution,))]


def on_node_execution_deleted(event: NodeExecutionDeleted) -> list[EventDraft]:
    execution = StreamRef(streams.graph_exec(event.user_id, event.graph_exec_id), event.node_exec_id)
    data = {"graph_exec_id": event.graph_exec_id, "node_exec_id": event.node_exec_id}
    return [EventDraft(WSMethod.NODE_EXECUTION_DELETED, as_json(data), (execution,))]


def on_notification_created(event: NotificationEvent) -> list[EventDraft]:
    created = EventDraft(WSMethod.NOTIFICATION, as_json(event.payload), (_notification(event.user_id, event.id),))
    if not event.read:
        return [created]
    return [created, *on_notification_read(NotificationRead(id=event.id, user_id=event.user_id, read=True))]


def on_notification_read(event: NotificationRead) -> list[EventDraft]:
    """An unread one is told as a whole, since a snapshot has only the newest event of each notification."""
    data: dict[str, Any] = {"ids": [event.id], "read": event.read}
    if event.payload is not None:
        data["notification"] = event.payload
    return [EventDraft(WSMethod.NOTIFICATION_READ, as_json(data), (_notification(event.user_id, event.id),))]


def on_notification_deleted(event: NotificationDeleted) -> list[EventDraft]:
    data = {"ids": [event.id]}
    return [EventDraft(WSMethod.NOTIFICATION_DELETED, as_json(data), (_notification(event.user_id, event.id),))]


def on_graph_deleted(event: GraphDeleted) -> list[EventDraft]:
    return [_end(streams.graph_execs(user_id, event.id)) for user_id in sorted({event.user_id, *event.user_ids})]


def on_user_deleted(event: UserDeleted) -> list[EventDraft]:
    return [_end(streams.notifications(event.id))]


def _notification(user_id: str, id: str) -> StreamRef:
    return StreamRef(streams.notifications(user_id), id)


def _end(key: str) -> EventDraft:
    return EventDraft(END, "null", (StreamRef(key, ""),))
