"""What is kept: graphs, their executions, the executions' nodes, notifications, and workers' tokens with what they
were answered.

    user ─┬─► Graph ─► GraphExecution ─► NodeExecution
          └─► Notification
    WorkerToken ─► IdempotentAnswer

Every ORM write of an execution, of a node execution or of a notification's read state signals (`executions.signals`),
inside its transaction; so does every deletion, cascades included. Fixtures (`loaddata`) do not; raw SQL cannot.
"""

from executions.models.graph import Graph
from executions.models.graph_execution import GraphExecution
from executions.models.idempotent_answer import IdempotentAnswer
from executions.models.node_execution import NodeExecution
from executions.models.notification import Notification
from executions.models.worker_token import WorkerToken

__all__ = ["Graph", "GraphExecution", "IdempotentAnswer", "NodeExecution", "Notification", "WorkerToken"]
