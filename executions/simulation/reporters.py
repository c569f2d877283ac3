"""How the simulator's reports get to where they belong: by the services, or through the HTTP API as a worker's do."""

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import uuid4

from django.db import connections

from executions.models import Graph, GraphExecution
from executions.services import (
    ExecutionHasEnded,
    finish_execution,
    report_execution,
    report_node,
    start_execution,
    terminate_execution,
)
from executions.simulation.fixtures import RUNNER
from executions.simulation.worker_client import RequestRefused, WorkerClient
from executions.statuses import IllegalTransition


class Gone(Exception):  # noqa: N818 - it is no fault
    """The run was ended or deleted by somebody else."""


class Reporter(Protocol):
    """Any threads may use it at once. A run is whatever `start` returns. All but `start` raise Gone."""

    def start(self, graph: Graph, inputs: Mapping[str, Any]) -> Any:
        """A new run of the graph, for its owner."""

    def report(self, run: Any, *, status: str, error: str | None = None, **what: Any) -> None:
        """The whole run; for an end `outputs` and `stats`, too."""

    def report_node(self, run: Any, **what: Any) -> None:
        """`node_id`, `block_id`, `status`, `input_data` and `output_data`."""

    def close(self) -> None:
        """Lets go of what it holds for this thread."""


class ServiceReporter:
    """In this process, into its database."""

    def start(self, graph: Graph, inputs: Mapping[str, Any]) -> GraphExecution:
        return start_execution(graph, user=graph.owner, inputs=inputs, runner=RUNNER)

    def report(self, run: GraphExecution, *, status: str, error: str | None = None, **what: Any) -> None:
        try:
            if status == "TERMINATED":
                terminate_execution(run)
            elif error is None:
                report_execution(run, status=status, **what)
            else:
                finish_execution(run, status=status, error=error, **what)
        except _GONE as gone:
            raise Gone from gone

    def report_node(self, run: GraphExecution, **what: Any) -> None:
        try:
            report_node(run, **what)
        except _GONE as gone:
            raise Gone from gone

    def close(self) -> None:
        connections.close_all()


_GONE = (ExecutionHasEnded, IllegalTransition, GraphExecution.DoesNotExist)


class HttpReporter:
    """To a server that has the graphs, with a worker's token. Raises what `WorkerClient` does."""

    def __init__(self, client: WorkerClient) -> None:
        self._client = client

    def start(self, graph: Graph, inputs: Mapping[str, Any]) -> str:
        wanted = {
            "user_id": str(graph.owner_id),
            "graph_id": str(graph.pk),
            "inputs": dict(inputs),
            "preset_id": RUNNER,  # the runner is the worker's
        }
        return str(self._client.post("executions", wanted, key=str(uuid4()))["id"])

    def report(self, run: str, *, status: str, error: str | None = None, **what: Any) -> None:
        why = {} if error is None else {"error": error}
        self._post(f"executions/{run}/report", {"status": status, **why, **what})

    def report_node(self, run: str, **what: Any) -> None:
        self._post(f"executions/{run}/nodes", what)

    def close(self) -> None:
        self._client.close()
        connections.close_all()

    def _post(self, path: str, data: Mapping[str, Any]) -> None:
        # Without a key: a report that comes twice changes nothing.
        try:
            self._client.post(path, data)
        except RequestRefused as refusal:
            if refusal.status in (404, 409):
                raise Gone from refusal
            raise
