"""The methods of requests and events on the wire."""

from enum import StrEnum
from typing import Final


class WSMethod(StrEnum):
    SUBSCRIBE_GRAPH_EXEC = "subscribe_graph_execution"
    SUBSCRIBE_GRAPH_EXECS = "subscribe_graph_executions"
    UNSUBSCRIBE = "unsubscribe"
    GRAPH_EXECUTION_EVENT = "graph_execution_event"
    NODE_EXECUTION_EVENT = "node_execution_event"
    NOTIFICATION = "notification"
    ERROR = "error"
    HEARTBEAT = "heartbeat"
    # Additions to the base protocol. Only clients that ask for numbers get the last four.
    SUBSCRIBE_NOTIFICATIONS = "subscribe_notifications"
    SUBSCRIBE_STREAM = "subscribe_stream"
    NOTIFICATION_READ = "notification_read"
    NOTIFICATION_DELETED = "notification_deleted"
    EXECUTION_DELETED = "execution_deleted"
    NODE_EXECUTION_DELETED = "node_execution_deleted"


ENTITY_IS_OVER: Final = frozenset(
    {
        WSMethod.NOTIFICATION_DELETED,
        WSMethod.EXECUTION_DELETED,
        WSMethod.NODE_EXECUTION_DELETED,
    }
)
"""Each of these is the last event of its entity."""

NUMBERED_ONLY: Final = ENTITY_IS_OVER | {WSMethod.NOTIFICATION_READ}
"""Events that only subscriptions with numbers get."""
