"""Starts, claims and executes runs, for the tests of runs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import User

from executions.leases import claim_next
from executions.models import Graph, GraphExecution, NodeExecution
from executions.runner.process_pool import ProcessPool
from executions.runner.run import Run
from executions.services import start_execution


def start(user: User, nodes: dict[str, Any], *links: str, **inputs: Any) -> GraphExecution:
    """`start(user, {"a": "test.echo", "b": ("test.wait", {"gate": "…"})}, "a.value → b.value")`"""
    pairs = [[end.strip().split(".") for end in each.split("→")] for each in links]
    blocks = {id: block if isinstance(block, tuple) else (block, {}) for id, block in nodes.items()}
    graph = Graph.objects.create(
        owner=user,
        name="g",
        nodes=[{"id": id, "block_id": block, "input_default": default} for id, (block, default) in blocks.items()],
        links=[
            {"source_id": source[0], "source_name": source[1], "sink_id": sink[0], "sink_name": sink[1]}
            for source, sink in pairs
        ],
    )
    return start_execution(graph, user=user, inputs=inputs, runner="embedded")


def claim(pool: ProcessPool) -> Run:
    execution = claim_next()
    assert execution
    return Run(execution, pool)


def node_of(execution: GraphExecution, node_id: str) -> NodeExecution:
    return execution.node_executions.get(node_id=node_id)


@contextmanager
def running(run: Run) -> Iterator[None]:
    """Executes the run in a thread of its own, and joins the thread at the end of the `with` block."""
    thread = threading.Thread(target=run.go)
    thread.start()
    try:
        yield
    finally:
        thread.join(60)
        assert not thread.is_alive()
