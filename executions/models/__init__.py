"""The tables: graphs, executions, node executions, notifications, sessions, worker tokens and idempotent answers.

    user ─┬─► Graph ─► GraphExecution ─► NodeExecution
          └─► Notification, UserSession
    WorkerToken ─► IdempotentAnswer

Every ORM write of an execution, a node execution or the read state of a notification sends a signal of
`executions.signals`, inside its transaction. So does every deletion, including cascades. Fixtures (`loaddata`) and raw
SQL send no signals.
"""

from executions.models.graph import Graph
from executions.models.graph_execution import GraphExecution
from executions.models.idempotent_answer import IdempotentAnswer
from executions.models.node_execution import NodeExecution
from executions.models.notification import Notification
from executions.models.user_session import UserSession
from executions.models.worker_token import WorkerToken

__all__ = [
    "Graph",
    "GraphExecution",
    "IdempotentAnswer",
    "NodeExecution",
    "Notification",
    "UserSession",
    "WorkerToken",
]
