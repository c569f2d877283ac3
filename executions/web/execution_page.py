"""The data of an execution's page, from the present rows: the nodes in stages, the progress, the events.

A stage holds nodes that can run in parallel. A node is one stage after the last of the nodes it waits for.

What a page costs has a bound, whatever was recorded: it shows PAGE_NODES nodes, loads inputs and outputs up to
MAX_ANSWER_BYTES, and counts the rest without them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from graphlib import TopologicalSorter
from heapq import nlargest
from itertools import groupby, islice
from typing import Any, Final, NamedTuple

from django.core.paginator import Page, Paginator
from django.utils.safestring import SafeString, mark_safe
from pydantic import ValidationError

from executions.graphs import GraphDefinition
from executions.models import GraphExecution, NodeExecution
from executions.node_data import load_within
from executions.statuses import ENDED, ExecutionStatus
from executions.web import markdown_report
from executions.web.formatting import Value, values

PAGE_NODES: Final = 100
MAX_READ: Final = 10_000  # node executions of a run, the newest; an engine may report any number
MAX_HAPPENINGS: Final = 500  # as many as static/executions/event_list.js shows
MAX_NAMES: Final = 100  # of the inputs or outputs of one node

_WITHOUT_DATA = ("id", "graph_execution", "node_id", "block_id", "status", "start_time", "end_time")


@dataclass(frozen=True)
class NodeView:
    """One node of the graph with its newest execution, if it has one."""

    id: str
    title: str
    block_id: str
    execution: NodeExecution | None = None  # without its inputs and outputs
    data: NodeExecution | None = None  # the same with them, if the page has room for them

    @property
    def status(self) -> str:
        return self.execution.status if self.execution else ""

    @property
    def is_left_out(self) -> bool:
        return self.execution is not None and self.data is None

    @property
    def inputs(self) -> list[Value]:
        return _values(self.data.input_data) if self.data else []

    @property
    def outputs(self) -> list[Value]:
        return _values(self.data.output_data, are_lists=True) if self.data else []


class Happening(NamedTuple):
    """A line in the list of events without JavaScript, derived from the times in the rows."""

    at: datetime
    what: str
    status: str


@dataclass(frozen=True)
class RunPage:
    execution: GraphExecution
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
    def error(self) -> str:
        return str((self.execution.stats or {}).get("error") or "")

    @property
    def inputs(self) -> list[Value]:
        return _values(self.execution.inputs)

    @property
    def outputs(self) -> list[Value]:
        """All outputs except the report, which the page renders as HTML."""
        rest = {name: value for name, value in self.execution.outputs.items() if name != markdown_report.OUTPUT}
        return _values(rest, are_lists=True)

    @property
    def report(self) -> SafeString:
        """The report as HTML; empty if there is none."""
        texts = self.execution.outputs.get(markdown_report.OUTPUT)
        texts = texts if isinstance(texts, list) else [texts]
        # Safe: `markdown_report` escapes the HTML of the run.
        return mark_safe(markdown_report.render_report([text for text in texts if isinstance(text, str)]))  # noqa: S308

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
    """Reads the nodes of the present attempt, and shows this page of them. Three queries."""
    rows = execution.node_executions.filter(attempt=execution.attempt)
    newest = rows.order_by("-add_time", "-pk").only(*_WITHOUT_DATA)[:MAX_READ]
    nodes = _nodes_in_stages(execution.definition, {node.node_id: node for node in reversed(newest)})
    page = Paginator(nodes, PAGE_NODES).get_page(number)
    shown = [node.execution.pk for _, node in page if node.execution]
    loaded, _ = load_within(rows.filter(pk__in=shown).order_by("add_time", "pk"))
    data = {row.pk: row for row in loaded}
    stages = [
        [replace(node, data=data.get(node.execution.pk)) if node.execution else node for _, node in stage]
        for _, stage in groupby(page, key=lambda each: each[0])
    ]
    return RunPage(execution, [node for _, node in nodes], stages, page)


def node_count(execution: GraphExecution) -> int:
    """How many nodes the graph had when the run started."""
    definition = execution.definition
    nodes = definition.get("nodes") if isinstance(definition, dict) else None
    return len(nodes) if isinstance(nodes, list) else 0


def _values(data: Mapping[str, Any], *, are_lists: bool = False) -> list[Value]:
    shown = values(dict(islice(data.items(), MAX_NAMES)), are_lists=are_lists)
    more = len(data) - MAX_NAMES
    return [*shown, Value("…", f"and {more:,} more", 0)] if more > 0 else shown


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
