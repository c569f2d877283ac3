"""What is kept: graphs, their executions, the executions' nodes, and notifications.

    user ─┬─► Graph ─► GraphExecution ─► NodeExecution
          └─► Notification

Every ORM write of an execution, of a node execution or of a notification's read state signals (`executions.signals`),
inside its transaction; so does every deletion, cascades included. Fixtures (`loaddata`) do not; raw SQL cannot.
"""

from executions.models.graph import Graph
from executions.models.graph_execution import GraphExecution
from executions.models.node_execution import NodeExecution
from executions.models.notification import Notification

__all__ = ["Graph", "GraphExecution", "NodeExecution", "Notification"]
