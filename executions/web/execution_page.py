"""What the page of an execution shows: its nodes in stages, its inputs and outputs, and its events.

A stage holds nodes that can run in parallel. A node is one stage after the last of the nodes it waits for.

What a page costs has a bound, whatever was recorded: it shows PAGE_NODES nodes, loads inputs and outputs up to
MAX_ANSWER_BYTES, and counts the rest without them. The context of a template is part of reference cycles: it stays in
memory until the garbage collector runs. So a page holds cut texts, and the execution that it holds has lost its large
fields (they are deferred, and can be read again).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from graphlib import TopologicalSorter
from heapq import nlargest
from itertools import groupby
from typing import Any, Final, NamedTuple

from django.core.paginator import Page, Paginator
from django.db.models import Func, IntegerField
from django.utils.safestring import SafeString, mark_safe
from pydantic import ValidationError

from executions.graphs import GraphDefinition
from executions.models import Graph, GraphExecution, NodeExecution
from executions.node_data import load_within
from executions.statuses import ENDED, ExecutionStatus
from executions.validation import cut
from executions.web import markdown_report
from executions.web.formatting import Value, values

PAGE_NODES: Final = 100
MAX_READ: Final = 10_000  # node executions of a run, the newest; an engine may report any number
MAX_HAPPENINGS: Final = 500  # as many as static/executions/event_list.js shows
MAX_ERROR: Final = 4_000  # characters of an error in a page

_FIGURES = ("duration", "node_exec_time_cpu_only", "node_exec_count", "node_error_count", "cost")
_LARGE = ("definition", "inputs", "outputs", "stats", "credential_inputs", "nodes_input_masks")
_WITHOUT_DATA = ("id", "graph_execution", "node_id", "block_id", "status", "start_time", "end_time")


@dataclass(frozen=True)
class NodeView:
    """A node of the graph, with its newest execution in this run."""

    id: str
    title: str
    block_id: str
    execution: NodeExecution | None = None  # without its inputs and outputs
    inputs: Sequence[Value] = ()
    outputs: Sequence[Value] = ()
    is_left_out: bool = False  # the page has no room for its inputs and outputs

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
    inputs: Sequence[Value]
    outputs: Sequence[Value]
    """All but the report."""
    report: SafeString
    """The report as HTML; empty if there is none."""
    figures: dict[str, Any]
    error: str
    nodes: Sequence[NodeView] = ()  # of all pages, in the order of the stages; those of other pages have no data
    stages: Sequence[Sequence[NodeView]] = ()  # of this page
    page: Page[Any] | None = None

    @property
    def total(self) -> int:
        return len(self.nodes)

    @property
    def done(self) -> int:
        return sum(node.status == ExecutionStatus.COMPLETED for node in self.nodes)

    @property
    def elsewhere(self) -> dict[str, list[str]]:
        """Node id → title and status of the nodes on other pages, which the page counts and does not draw."""
        here = {node.id for stage in self.stages for node in stage}
        return {node.id: [node.title, node.status] for node in self.nodes if node.id not in here}

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
        return nlargest(MAX_HAPPENINGS, found, key=lambda happening: happening.at)


def run_page(execution: GraphExecution, number: Any = 1) -> RunPage:
    """Reads the nodes of the present attempt, and shows this page of them. Defers the large fields of `execution`."""
    rows = execution.node_executions.filter(attempt=execution.attempt)
    newest = rows.order_by("-add_time", "-pk").only(*_WITHOUT_DATA)[:MAX_READ]
    nodes = _nodes_in_stages(execution.definition, {node.node_id: node for node in reversed(newest)})
    page = Paginator(nodes, PAGE_NODES).get_page(number)
    shown = [node.execution.pk for _, node in page if node.execution]
    loaded, _ = load_within(rows.filter(pk__in=shown).order_by("add_time", "pk"))
    data = {row.pk: (values(row.input_data), values(row.output_data, are_lists=True)) for row in loaded}
    stages = [[_with_data(node, data) for _, node in stage] for _, stage in groupby(page, key=lambda each: each[0])]
    return replace(results_page(execution), nodes=[node for _, node in nodes], stages=stages, page=page)


def results_page(execution: GraphExecution) -> RunPage:
    """The page without nodes. Defers the large fields of `execution`."""
    stats, (outputs, report) = execution.stats or {}, outputs_and_report(execution.outputs)
    page = RunPage(
        execution,
        Graph.objects.filter(pk=execution.graph_id).values_list("name", flat=True).first() or "",
        values(execution.inputs),
        outputs,
        report,
        {name: stats[name] for name in _FIGURES if isinstance(stats.get(name), (int, float))},
        cut(str(stats.get("error") or ""), MAX_ERROR),
    )
    for name in _LARGE:
        execution.__dict__.pop(name, None)
    return page


def outputs_and_report(data: Mapping[str, Any]) -> tuple[list[Value], SafeString]:
    """The outputs of a run without its report, and the report as HTML."""
    outputs = dict(data)
    report = outputs.pop(markdown_report.OUTPUT, None)
    return values(outputs, are_lists=True), _render(report)


class NodeCount(Func):
    """How many nodes a definition has; 0 if it has no list of them. The database counts, since a definition may be
    large and a page shows many."""

    output_field = IntegerField()
    template = "COALESCE(json_array_length(%(expressions)s, '$.nodes'), 0)"  # of SQLite

    def as_postgresql(self, compiler: Any, connection: Any) -> Any:
        nodes = "%(expressions)s -> 'nodes'"
        template = f"CASE jsonb_typeof({nodes}) WHEN 'array' THEN jsonb_array_length({nodes}) ELSE 0 END"
        return self.as_sql(compiler, connection, template=template)


def _render(report: Any) -> SafeString:
    texts = report if isinstance(report, list) else [report]
    # Safe: `markdown_report` escapes the HTML of the run.
    return mark_safe(markdown_report.render_report([text for text in texts if isinstance(text, str)]))  # noqa: S308


def _with_data(node: NodeView, data: dict[Any, tuple[list[Value], list[Value]]]) -> NodeView:
    if node.execution is None:
        return node
    if node.execution.pk not in data:
        return replace(node, is_left_out=True)
    inputs, outputs = data[node.execution.pk]
    return replace(node, inputs=inputs, outputs=outputs)


def _nodes_in_stages(definition: Any, newest: dict[str, NodeExecution]) -> list[tuple[int, NodeView]]:
    """Each node with the number of its stage, in the order of the stages."""
    try:
        graph = GraphDefinition.model_validate(definition)
    except ValidationError:  # the definition of another engine or an older version
        graph = GraphDefinition(nodes=[])
    depths = _depths(graph)
    known = sorted(graph.nodes, key=lambda node: depths[node.id])
    nodes = [
        (depths[node.id], NodeView(node.id, node.name, node.block_id, newest.pop(node.id, None))) for node in known
    ]
    # An engine may report nodes that are not in the definition. They are the last stage.
    last = 1 + max(depths.values(), default=-1)
    return nodes + [(last, NodeView(each.node_id, each.node_id, each.block_id, each)) for each in newest.values()]


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
