"""What reports do to runs. The rules are here, for one report and for a thousand of them.

    record([NodeReport(run, node_id="split", status="RUNNING"), ExecutionReport(run, status="COMPLETED")])

The executions are locked, and then the node executions, in the order of their primary keys; the reports are applied to
them in memory, one after the other; each change becomes an event of its own, though each row is written once, as it is
in the end. So the number of statements does not depend on the number of reports, and nothing has been written when a
report is refused.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any
from uuid import UUID, uuid4

from django.core.exceptions import ObjectDoesNotExist
from django.db import router, transaction
from pydantic import BaseModel

from executions import signals
from executions.access import as_uuid
from executions.events import GraphExecutionEvent
from executions.models import GraphExecution, NodeExecution
from executions.recording.change import ends_in_commit
from executions.reporting import bulk_sql
from executions.reporting.locks import key_of, lock_executions, lock_nodes
from executions.reporting.reports import (
    ExecutionHasEnded,
    ExecutionReport,
    NodeHasEnded,
    NodeMismatch,
    NodeOutputs,
    NodeReport,
    Report,
    ReportRefused,
    Stats,
    UnknownNode,
)
from executions.statuses import ENDED, ExecutionStatus, check_transition


def record(reports: Sequence[Report], *, as_batch: bool = True) -> list[GraphExecution | NodeExecution]:
    """Records all or none, and returns the rows that they are about, as they are in the end. Raises ReportRefused.

    `as_batch` says whether `reports_recorded` is sent: it is for who must keep the order across both models."""
    using = router.db_for_write(GraphExecution)
    commits = ends_in_commit(using)
    with transaction.atomic(using):
        batch = _Batch(reports, using)
        found = []
        for index, report in enumerate(reports):
            try:
                found.append(batch.apply(report))
            except (ValueError, ObjectDoesNotExist) as error:
                raise ReportRefused(index, error) from error
        batch.write()
        batch.tell(as_batch, commits)
        return found


def record_one(report: Report) -> Any:
    """The same for one; raises what is wrong with it."""
    try:
        return record([report], as_batch=False)[0]
    except ReportRefused as refused:
        raise refused.error from refused.error.__cause__


class _Batch:
    """Rows that are locked, as the reports applied so far have left them."""

    def __init__(self, reports: Sequence[Report], using: str) -> None:
        self._using = using
        self._executions = lock_executions(reports, using)
        self._nodes: dict[UUID, NodeExecution] = {}
        self._nodes_of: dict[UUID, list[NodeExecution]] = defaultdict(list)
        self._latest: dict[tuple[UUID, str], NodeExecution] = {}
        for node in lock_nodes(reports, self._executions, using):
            self._add(node)
        self._new: dict[UUID, NodeExecution] = {}
        self._changed: dict[type, dict[UUID, Any]] = {GraphExecution: {}, NodeExecution: {}}
        self._names: dict[type, set[str]] = {GraphExecution: set(), NodeExecution: set()}
        self._events: list[tuple[type, BaseModel]] = []

    def apply(self, report: Report) -> GraphExecution | NodeExecution:
        execution = self._executions.get(key_of(report.execution))
        if execution is None:
            raise GraphExecution.DoesNotExist(f"There is no execution {report.execution.pk}.")
        if isinstance(report, ExecutionReport):
            return self._report_execution(execution, report)
        if execution.status in ENDED:
            raise ExecutionHasEnded(execution)
        if isinstance(report, NodeReport):
            return self._report_node(execution, report)
        return self._append(execution, report)

    def write(self) -> None:
        bulk_sql.update(self._changed[GraphExecution].values(), self._names[GraphExecution], self._using)
        bulk_sql.insert(self._new.values(), self._using)
        bulk_sql.update(self._changed[NodeExecution].values(), self._names[NodeExecution], self._using)

    def tell(self, as_batch: bool, commits: bool) -> None:
        told = {"commits_next": commits and len(self._events) == 1}
        if as_batch and self._events:
            told["of_reports"] = True
            signals.reports_recorded.send(sender=None, events=[event for _, event in self._events])
        for model, several in groupby(self._events, itemgetter(0)):
            events = [event for _, event in several]
            news = {"event": events[0]} if len(events) == 1 else {"events": events}
            model.changed_signal.send(sender=model, **news, **told)

    # The rules

    def _report_execution(self, execution: GraphExecution, report: ExecutionReport) -> GraphExecution:
        status = ExecutionStatus(report.status)
        if report.error is not None:
            check_finish(status)
        check_transition(execution.status, status)
        if status in ENDED:
            # First, so that the end of the execution is the last that is told of this attempt.
            for node in sorted(self._nodes_of[execution.pk], key=attrgetter("pk")):
                if node.status not in ENDED:
                    node.status = ExecutionStatus.TERMINATED
                    self._keep(node, {"status"})
        changed = set()
        if status != execution.status:
            execution.status = status
            changed.add("status")
        if report.outputs is not None:
            execution.outputs = dict(report.outputs)
            changed.add("outputs")
        if report.stats is not None or report.error is not None:
            execution.stats = _as_dict(execution.stats if report.stats is None else report.stats)
            if report.error is not None:
                execution.stats["error"] = report.error
            changed.add("stats")
        if changed:
            self._keep(execution, changed)
        return execution

    def _report_node(self, execution: GraphExecution, report: NodeReport) -> NodeExecution:
        status, node = ExecutionStatus(report.status), self._find(execution, report)
        changed = {"status"}
        if node is None:
            pk = _node_exec_id(report) or uuid4()
            node = NodeExecution(id=pk, node_id=str(report.node_id), attempt=execution.attempt)
            node.graph_execution = execution
            _check_text(node, "node_id")
            self._add(node)
            self._new[node.pk] = node
        else:
            check_transition(node.status, status)
        node.status = status
        if report.block_id:
            node.block_id = str(report.block_id)
            _check_text(node, "block_id")
            changed.add("block_id")
        if report.input_data is not None:
            node.input_data = dict(report.input_data)
            changed.add("input_data")
        if report.output_data is not None:
            node.output_data = dict(report.output_data)
            changed.add("output_data")
        self._keep(node, changed)
        return node

    def _append(self, execution: GraphExecution, report: NodeOutputs) -> NodeExecution:
        node = self._find(execution, report)
        if node is None:
            raise UnknownNode(
                f"Execution {execution.pk} has no execution of node {report.node_id}. Report its status first."
            )
        if node.status in ENDED:
            raise NodeHasEnded(f"Node {report.node_id} has ended ({node.status}): nothing can be added to it.")
        node.output_data = {
            **node.output_data,
            **{name: [*node.output_data.get(name, []), *values] for name, values in report.outputs.items()},
        }
        self._keep(node, {"output_data"})
        return node

    def _find(self, execution: GraphExecution, report: NodeReport | NodeOutputs) -> NodeExecution | None:
        pk, node_id = _node_exec_id(report), str(report.node_id)
        if pk is None:
            return self._latest.get((execution.pk, node_id))
        node = self._nodes.get(pk)
        if node and (node.graph_execution_id, node.node_id) != (execution.pk, node_id):
            raise NodeMismatch(
                f"Node execution {node.pk} is of node {node.node_id} in execution {node.graph_execution_id}."
            )
        return node

    def _add(self, node: NodeExecution) -> None:
        self._nodes[node.pk] = node
        execution = self._executions.get(node.graph_execution_id)
        if execution is None:
            return  # somebody else's, which only its id was asked for
        node.graph_execution = execution
        self._nodes_of[execution.pk].append(node)
        if node.attempt == execution.attempt:
            key = (execution.pk, node.node_id)
            latest = self._latest.get(key)
            if latest is None or (latest.add_time, latest.pk) < (node.add_time, node.pk):
                self._latest[key] = node

    def _keep(self, row: GraphExecution | NodeExecution, changed: set[str]) -> None:
        """Remembers that these fields are to be written, with the times that follow, and what is told of it."""
        model = type(row)
        if "status" in changed:
            changed.update(row.times.columns)
        row.prepare_to_write(changed)
        if row.pk not in self._new:
            self._changed[model][row.pk] = row
            self._names[model] |= changed
        self._events.append((model, row.to_event()))


def check_finish(status: ExecutionStatus) -> None:
    """Raises ValueError unless a run comes to this end by itself."""
    if status not in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED):
        raise ValueError(f"An execution finishes as COMPLETED or FAILED, not as {status}.")


def _as_dict(stats: Stats | None) -> dict[str, Any]:
    return stats.model_dump() if isinstance(stats, GraphExecutionEvent.Stats) else dict(stats or {})


def _node_exec_id(report: NodeReport | NodeOutputs) -> UUID | None:
    id = report.node_exec_id
    if id is None or isinstance(id, UUID):
        return id
    pk = as_uuid(id)
    if pk is None:
        raise ValueError(f"node_exec_id is {id!r}, which is no UUID.")
    return pk


def _check_text(node: NodeExecution, name: str) -> None:
    node._meta.get_field(name).check_value(getattr(node, name))  # type: ignore[union-attr]
