"""Reporters record the simulator's reports: through the services, or over HTTP as a worker."""

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


class RunGone(Exception):  # noqa: N818 - it is no error
    """Another user or process has ended or deleted the run."""


class Reporter(Protocol):
    """Thread-safe. `start` returns the handle of a run for the other methods. These raise RunGone."""

    def start(self, graph: Graph, inputs: Mapping[str, Any]) -> Any:
        """Starts a run of the graph for its owner, and returns its handle."""

    def report(self, run: Any, *, status: str, error: str | None = None, **data: Any) -> None:
        """Reports the whole run. At its end, `data` has `outputs` and `stats`."""

    def report_node(self, run: Any, **data: Any) -> None:
        """Reports a node. `data` has `node_id`, `block_id`, `status`, `input_data` and `output_data`."""

    def close(self) -> None:
        """Closes the connections of this thread."""


class ServiceReporter:
    """Records through the services of this process."""

    def start(self, graph: Graph, inputs: Mapping[str, Any]) -> GraphExecution:
        return start_execution(graph, user=graph.owner, inputs=inputs, runner=RUNNER)

    def report(self, run: GraphExecution, *, status: str, error: str | None = None, **data: Any) -> None:
        try:
            if status == "TERMINATED":
                terminate_execution(run)
            elif error is None:
                report_execution(run, status=status, **data)
            else:
                finish_execution(run, status=status, error=error, **data)
        except _RUN_GONE as gone:
            raise RunGone from gone

    def report_node(self, run: GraphExecution, **data: Any) -> None:
        try:
            report_node(run, **data)
        except _RUN_GONE as gone:
            raise RunGone from gone

    def close(self) -> None:
        connections.close_all()


_RUN_GONE = (ExecutionHasEnded, IllegalTransition, GraphExecution.DoesNotExist)


class HttpReporter:
    """Reports over HTTP to a server that has the graphs, as a worker. Also raises the errors of `WorkerClient`."""

    def __init__(self, client: WorkerClient) -> None:
        self._client = client

    def start(self, graph: Graph, inputs: Mapping[str, Any]) -> str:
        request = {
            "user_id": str(graph.owner_id),
            "graph_id": str(graph.pk),
            "inputs": dict(inputs),
            "preset_id": RUNNER,  # marks the execution; its runner is that of the token
        }
        return str(self._client.post("executions", request, key=str(uuid4()))["id"])

    def report(self, run: str, *, status: str, error: str | None = None, **data: Any) -> None:
        with_error = {} if error is None else {"error": error}
        self._post(f"executions/{run}/report", {"status": status, **with_error, **data})

    def report_node(self, run: str, **data: Any) -> None:
        self._post(f"executions/{run}/nodes", data)

    def close(self) -> None:
        self._client.close()
        connections.close_all()

    def _post(self, path: str, data: Mapping[str, Any]) -> None:
        # Without an Idempotency-Key: a repeated report changes nothing.
        try:
            self._client.post(path, data)
        except RequestRefused as refusal:
            if refusal.status in (404, 409):
                raise RunGone from refusal
            raise
