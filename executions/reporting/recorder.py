"""Records reports: checks them, applies them to the rows, writes the rows and sends the signals.

    record([NodeReport(run, node_id="split", status="RUNNING"), ExecutionReport(run, status="COMPLETED")])

The same rules hold for one report and for a thousand:

1. The executions are locked, then the node executions, each in the order of their primary keys.
2. The reports are applied to the rows in memory, one after the other. Each change becomes one event.
3. Each row is written once, in its last state. Then the signals are sent.

So the number of statements does not depend on the number of reports. If a report is refused, nothing has been written.
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
from executions.recording.change import is_outside_transaction
from executions.reporting import bulk_sql
from executions.reporting.locks import lock_executions, lock_nodes, pk_of
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


def record(reports: Sequence[Report]) -> list[GraphExecution | NodeExecution]:
    """Records all reports or none. Returns the row of each report, in its last state. Raises ReportRefused.

    Sends `reports_recorded`, and then the signals of the models."""
    return _record(reports, sends_reports_recorded=True)


def record_one(report: Report) -> Any:
    """Records one report. Returns its row. Raises the error of the report itself, not ReportRefused.

    Sends the signals of the models, but not `reports_recorded`."""
    try:
        return _record([report], sends_reports_recorded=False)[0]
    except ReportRefused as refused:
        raise refused.error from refused.error.__cause__


def _record(reports: Sequence[Report], *, sends_reports_recorded: bool) -> list[GraphExecution | NodeExecution]:
    using = router.db_for_write(GraphExecution)
    ends_in_commit = is_outside_transaction(using)
    with transaction.atomic(using):
        recorder = _Recorder(reports, using)
        rows = []
        for index, report in enumerate(reports):
            try:
                rows.append(recorder.apply(report))
            except (ValueError, ObjectDoesNotExist) as error:
                raise ReportRefused(index, error) from error
        recorder.write()
        recorder.send_signals(sends_reports_recorded=sends_reports_recorded, ends_in_commit=ends_in_commit)
        return rows


class _Recorder:
    """The locked rows, in the state after the reports that were applied so far."""

    def __init__(self, reports: Sequence[Report], using: str) -> None:
        self._using = using
        self._executions = lock_executions(reports, using)
        self._nodes: dict[UUID, NodeExecution] = {}
        self._nodes_by_execution: dict[UUID, list[NodeExecution]] = defaultdict(list)
        self._latest_nodes: dict[tuple[UUID, str], NodeExecution] = {}  # (execution, node id) → of the current attempt
        for node in lock_nodes(reports, self._executions, using):
            self._add_node(node)
        self._new_nodes: dict[UUID, NodeExecution] = {}
        self._changed_rows: dict[type, dict[UUID, Any]] = {GraphExecution: {}, NodeExecution: {}}
        self._changed_names: dict[type, set[str]] = {GraphExecution: set(), NodeExecution: set()}
        self._events: list[tuple[type, BaseModel]] = []  # in the order of the reports

    def apply(self, report: Report) -> GraphExecution | NodeExecution:
        """Changes the row of this report in memory. Raises what the functions of `executions.services` raise."""
        execution = self._executions.get(pk_of(report.execution))
        if execution is None:
            raise GraphExecution.DoesNotExist(f"There is no execution {report.execution.pk}.")
        if isinstance(report, ExecutionReport):
            return self._apply_execution_report(execution, report)
        if execution.status in ENDED:
            raise ExecutionHasEnded(execution)
        if isinstance(report, NodeReport):
            return self._apply_node_report(execution, report)
        return self._apply_node_outputs(execution, report)

    def write(self) -> None:
        executions, nodes = self._changed_rows[GraphExecution].values(), self._changed_rows[NodeExecution].values()
        bulk_sql.update(executions, self._changed_names[GraphExecution], self._using)
        bulk_sql.insert(self._new_nodes.values(), self._using)
        bulk_sql.update(nodes, self._changed_names[NodeExecution], self._using)

    def send_signals(self, *, sends_reports_recorded: bool, ends_in_commit: bool) -> None:
        flags = {"is_last_before_commit": ends_in_commit and len(self._events) == 1}
        if sends_reports_recorded and self._events:
            flags["of_reports"] = True
            signals.reports_recorded.send(sender=None, events=[event for _, event in self._events])
        for model, group in groupby(self._events, itemgetter(0)):
            events = [event for _, event in group]
            arguments = {"event": events[0]} if len(events) == 1 else {"events": events}
            model.changed_signal.send(sender=model, **arguments, **flags)

    def _apply_execution_report(self, execution: GraphExecution, report: ExecutionReport) -> GraphExecution:
        status = ExecutionStatus(report.status)
        if report.error is not None:
            check_finish(status)
        check_transition(execution.status, status)
        if status in ENDED:
            # The nodes end first, so that the end of the execution is the last event of this attempt.
            for node in sorted(self._nodes_by_execution[execution.pk], key=attrgetter("pk")):
                if node.status not in ENDED:
                    node.status = ExecutionStatus.TERMINATED
                    self._mark_changed(node, {"status"})
        changed = set()
        if status != execution.status:
            execution.status = status
            changed.add("status")
        if report.outputs is not None:
            execution.outputs = dict(report.outputs)
            changed.add("outputs")
        if report.stats is not None or report.error is not None:
            execution.stats = _stats_as_dict(execution.stats if report.stats is None else report.stats)
            if report.error is not None:
                execution.stats["error"] = report.error
            changed.add("stats")
        if changed:
            self._mark_changed(execution, changed)
        return execution

    def _apply_node_report(self, execution: GraphExecution, report: NodeReport) -> NodeExecution:
        status, node = ExecutionStatus(report.status), self._find_node(execution, report)
        changed = {"status"}
        if node is None:
            pk = _node_exec_id(report) or uuid4()
            node = NodeExecution(id=pk, node_id=str(report.node_id), attempt=execution.attempt)
            node.graph_execution = execution
            _check_text(node, "node_id")
            self._add_node(node)
            self._new_nodes[node.pk] = node
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
        self._mark_changed(node, changed)
        return node

    def _apply_node_outputs(self, execution: GraphExecution, report: NodeOutputs) -> NodeExecution:
        node = self._find_node(execution, report)
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
        self._mark_changed(node, {"output_data"})
        return node

    def _find_node(self, execution: GraphExecution, report: NodeReport | NodeOutputs) -> NodeExecution | None:
        pk, node_id = _node_exec_id(report), str(report.node_id)
        if pk is None:
            return self._latest_nodes.get((execution.pk, node_id))
        node = self._nodes.get(pk)
        if node and (node.graph_execution_id, node.node_id) != (execution.pk, node_id):
            raise NodeMismatch(
                f"Node execution {node.pk} is of node {node.node_id} in execution {node.graph_execution_id}."
            )
        return node

    def _add_node(self, node: NodeExecution) -> None:
        self._nodes[node.pk] = node
        execution = self._executions.get(node.graph_execution_id)
        if execution is None:
            return  # it belongs to an execution without a report, so _find_node() refuses its id
        node.graph_execution = execution
        self._nodes_by_execution[execution.pk].append(node)
        if node.attempt == execution.attempt:
            key = (execution.pk, node.node_id)
            latest = self._latest_nodes.get(key)
            if latest is None or (latest.add_time, latest.pk) < (node.add_time, node.pk):
                self._latest_nodes[key] = node

    def _mark_changed(self, row: GraphExecution | NodeExecution, changed: set[str]) -> None:
        """Notes which fields must be written, with the times that follow the status. Adds the event of the change."""
        model = type(row)
        if "status" in changed:
            changed.update(row.status_times.columns)
        row.prepare_to_write(changed)
        if row.pk not in self._new_nodes:
            self._changed_rows[model][row.pk] = row
            self._changed_names[model] |= changed
        self._events.append((model, row.to_event()))


def check_finish(status: ExecutionStatus) -> None:
    """Raises ValueError unless a run can end with this status by itself."""
    if status not in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED):
        raise ValueError(f"An execution finishes as COMPLETED or FAILED, not as {status}.")


def _stats_as_dict(stats: Stats | None) -> dict[str, Any]:
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
