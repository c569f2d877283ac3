"""The data of an execution's page, from the present rows: the nodes in stages, the progress, the events.

A stage holds nodes that can run in parallel. A node is one stage after the last of the nodes it waits for.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from graphlib import TopologicalSorter
from typing import Any, NamedTuple

from django.utils.safestring import SafeString, mark_safe
from pydantic import ValidationError

from executions.graphs import GraphDefinition
from executions.models import GraphExecution, NodeExecution
from executions.statuses import ENDED, ExecutionStatus
from executions.web import markdown_report
from executions.web.formatting import Value, values


@dataclass(frozen=True)
class NodeView:
    """One node of the graph with its newest execution, if it has one."""

    id: str
    title: str
    block_id: str
    execution: NodeExecution | None = None

    @property
    def status(self) -> str:
        return self.execution.status if self.execution else ""

    @property
    def inputs(self) -> list[Value]:
        return values(self.execution.input_data) if self.execution else []

    @property
    def outputs(self) -> list[Value]:
        return values(self.execution.output_data, are_lists=True) if self.execution else []


class Happening(NamedTuple):
    """A line in the list of events without JavaScript, derived from the times in the rows."""

    at: datetime
    what: str
    status: str


@dataclass(frozen=True)
class RunPage:
    execution: GraphExecution
    stages: Sequence[Sequence[NodeView]] = field(default_factory=list)

    @property
    def nodes(self) -> list[NodeView]:
        return [node for stage in self.stages for node in stage]

    @property
    def total(self) -> int:
        return len(self.nodes)

    @property
    def done(self) -> int:
        return sum(node.status == ExecutionStatus.COMPLETED for node in self.nodes)

    @property
    def has_ended(self) -> bool:
        return self.execution.status in ENDED

    @property
    def error(self) -> str:
        return str((self.execution.stats or {}).get("error") or "")

    @property
    def inputs(self) -> list[Value]:
        return values(self.execution.inputs)

    @property
    def outputs(self) -> list[Value]:
        """All outputs except the report, which the page renders as HTML."""
        rest = {name: value for name, value in self.execution.outputs.items() if name != markdown_report.OUTPUT}
        return values(rest, are_lists=True)

    @property
    def report(self) -> SafeString:
        """The report as HTML; empty if there is none."""
        texts = self.execution.outputs.get(markdown_report.OUTPUT)
        texts = texts if isinstance(texts, list) else [texts]
        # Safe: `markdown_report.render` escapes the HTML of the run.
        return mark_safe("".join(markdown_report.render(text) for text in texts if isinstance(text, str)))  # noqa: S308

    @property
    def happenings(self) -> list[Happening]:
        """Newest first."""
        run = self.execution
        found = [
            Happening(run.created_at, "Run", ExecutionStatus.QUEUED),
            *_started_and_ended("Run", run.started_at, run.ended_at, run.status),
        ]
        for node in self.nodes:
            if node.execution:
                execution = node.execution
                found += _started_and_ended(node.title, execution.start_time, execution.end_time, execution.status)
        return sorted(found, key=lambda happening: happening.at, reverse=True)


def run_page(execution: GraphExecution) -> RunPage:
    """Reads the nodes of the present attempt. One query."""
    nodes = execution.node_executions.filter(attempt=execution.attempt).order_by("add_time", "pk")
    return RunPage(execution, _stages(execution.definition, {node.node_id: node for node in nodes}))


def node_count(execution: GraphExecution) -> int:
    """How many nodes the graph had when the run started."""
    definition = execution.definition
    nodes = definition.get("nodes") if isinstance(definition, dict) else None
    return len(nodes) if isinstance(nodes, list) else 0


def _stages(definition: Any, newest: dict[str, NodeExecution]) -> list[list[NodeView]]:
    try:
        graph = GraphDefinition.model_validate(definition)
    except ValidationError:  # the definition of another engine or an older version
        graph = GraphDefinition(nodes=[])
    depths = _depths(graph)
    stages: list[list[NodeView]] = [[] for _ in range(max(depths.values(), default=-1) + 1)]
    for node in graph.nodes:
        stages[depths[node.id]].append(NodeView(node.id, node.name, node.block_id, newest.pop(node.id, None)))
    # An engine may report nodes that are not in the definition.
    unknown = [NodeView(each.node_id, each.node_id, each.block_id, each) for each in newest.values()]
    return [*stages, unknown] if unknown else stages


def _depths(graph: GraphDefinition) -> dict[str, int]:
    before = graph.predecessors()
    depths: dict[str, int] = {}
    for node_id in TopologicalSorter(before).static_order():
        depths[node_id] = 1 + max((depths[each] for each in before[node_id]), default=-1)
    return depths


def _started_and_ended(what: str, start: datetime | None, end: datetime | None, status: str) -> Iterable[Happening]:
    if start:
        yield Happening(start, what, ExecutionStatus.RUNNING)
    if end:
        yield Happening(end, what, status)
