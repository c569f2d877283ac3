"""What the targets with a database find there: a user, a graph, an execution, a worker."""

from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.test import Client

from executions.api.worker_tokens import create_token
from executions.models import Graph, GraphExecution, WorkerToken
from executions.services import notify_user, report_node, start_execution

NODES = [{"id": "split", "block_id": "text.sentences"}, {"id": "rank", "block_id": "text.words"}]
LINKS = [{"source_id": "split", "source_name": "sentences", "sink_id": "rank", "sink_name": "text"}]


class World(NamedTuple):
    user: Any
    graph: Graph
    execution: GraphExecution  # of the worker
    token: WorkerToken
    secret: str  # of the worker

    def person(self) -> Client:
        """A client of the user, logged in."""
        client = Client()
        client.force_login(self.user)
        return client


def make_world() -> World:
    """Call it inside `rolled_back`."""
    user = get_user_model().objects.create_user("fuzz")
    token, secret = create_token("fuzz")
    graph = Graph.objects.create(owner=user, name="Fuzz", nodes=NODES, links=LINKS)
    execution = start_execution(graph, user=user, inputs={"text": "One."}, runner=token.runner)
    report_node(execution, node_id="split", status="RUNNING")
    notify_user(user, type="info", event="x")
    return World(user, graph, execution, token, secret)
