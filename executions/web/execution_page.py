"""The data of an execution's page, from the present rows: the nodes in stages, the progress, the events.

A stage holds nodes that can run in parallel. A node is one stage after the last of the nodes it waits for.

The context of a template is part of reference cycles: it stays in memory until the garbage collector runs. So the views
hold cut texts, and the rows that they hold have lost their large fields (they are deferred, and can be read again).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from graphlib import TopologicalSorter
from typing import Any, NamedTuple

from django.db.models import Func, IntegerField, Model
from django.utils.safestring import SafeString, mark_safe
from pydantic import ValidationError

from executions.graphs import GraphDefinition
from executions.models import Graph, GraphExecution, NodeExecution
from executions.statuses import ENDED, ExecutionStatus
from executions.web import markdown_report
from executions.web.formatting import Value, cut, values

MAX_ERROR = 4_000  # characters of an error in a page
_FIGURES = ("duration", "node_exec_time_cpu_only", "node_exec_count", "node_error_count", "cost")


@dataclass(frozen=True)
class NodeView:
    """One node of the graph with its newest execution, if it has one."""

    id: str
    title: str
    block_id: str
    execution: NodeExecution | None = None
    inputs: Sequence[Value] = ()
    outputs: Sequence[Value] = ()

    @property
    def status(self) -> str:
        return self.execution.status if self.execution else ""


class Happening(NamedTuple):
    """A line in the list of events without JavaScript, derived from the times in the rows."""

    at: datetime
    what: str
    status: str


@dataclass(frozen=True)
class RunPage:
    execution: GraphExecution
    graph_name: str
    stages: Sequence[Sequence[NodeView]]
    inputs: Sequence[Value]
    outputs: Sequence[Value]
    """All but the report."""
    report: SafeString
    """The report as HTML; empty if there is none."""
    figures: dict[str, Any]
    error: str

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
    """Reads the nodes of the present attempt and the name of the graph. Defers the large fields of `execution`."""
    newest = {}
    for node in execution.node_executions.filter(attempt=execution.attempt).order_by("add_time", "pk").iterator(50):
        newest[node.node_id] = _node_view(node)
    stats, outputs = execution.stats or {}, dict(execution.outputs)
    report = outputs.pop(markdown_report.OUTPUT, None)
    page = RunPage(
        execution,
        Graph.objects.filter(pk=execution.graph_id).values_list("name", flat=True).first() or "",
        _stages(execution.definition, newest),
        values(execution.inputs),
        values(outputs, are_lists=True),
        _render(report),
        {name: stats[name] for name in _FIGURES if isinstance(stats.get(name), (int, float))},
        cut(str(stats.get("error") or ""), MAX_ERROR),
    )
    _defer(execution, "definition", "inputs", "outputs", "stats", "credential_inputs", "nodes_input_masks")
    return page


class NodeCount(Func):
    """How many nodes a definition has; 0 if it has no list of them. The database counts, since a definition may be
    large and a page shows many."""

    output_field = IntegerField()
    template = "COALESCE(json_array_length(%(expressions)s, '$.nodes'), 0)"  # of SQLite

    def as_postgresql(self, compiler: Any, connection: Any) -> Any:
        nodes = "%(expressions)s -> 'nodes'"
        template = f"CASE jsonb_typeof({nodes}) WHEN 'array' THEN jsonb_array_length({nodes}) ELSE 0 END"
        return self.as_sql(compiler, connection, template=template)


def _node_view(node: NodeExecution) -> NodeView:
    inputs, outputs = values(node.input_data), values(node.output_data, are_lists=True)
    _defer(node, "input_data", "output_data")
    return NodeView(node.node_id, node.node_id, node.block_id, node, inputs, outputs)


def _defer(row: Model, *names: str) -> None:
    for name in names:
        row.__dict__.pop(name, None)


def _render(report: Any) -> SafeString:
    texts = report if isinstance(report, list) else [report]
    # Safe: `markdown_report.render` escapes the HTML of the run.
    return mark_safe("".join(markdown_report.render(text) for text in texts if isinstance(text, str)))  # noqa: S308


def _stages(definition: Any, newest: dict[str, NodeView]) -> list[list[NodeView]]:
    try:
        graph = GraphDefinition.model_validate(definition)
    except ValidationError:  # the definition of another engine or an older version
        graph = GraphDefinition(nodes=[])
    depths = _depths(graph)
    stages: list[list[NodeView]] = [[] for _ in range(max(depths.values(), default=-1) + 1)]
    for node in graph.nodes:
        view = newest.pop(node.id, None) or NodeView(node.id, node.name, node.block_id)
        stages[depths[node.id]].append(replace(view, title=node.name, block_id=node.block_id))
    # An engine may report nodes that are not in the definition.
    unknown = list(newest.values())
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
