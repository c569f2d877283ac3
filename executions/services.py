"""The verbs: what workers, views and commands do to executions and notifications.

    execution = start_execution(graph, user=user, inputs={"text": "…"})
    report_execution(execution, status="RUNNING")
    report_node(execution, node_id="split", status="RUNNING", input_data={"text": "…"})
    append_node_outputs(execution, node_id="split", outputs={"sentences": [["…"]]})
    report_node(execution, node_id="split", status="COMPLETED", output_data={"sentences": [["…"]]})
    finish_execution(execution, status="COMPLETED", outputs={"report": ["…"]})

Many reports at once cost a tenth of as many calls:

    report_all([
        NodeReport(execution, node_id="split", status="RUNNING"),
        NodeOutputs(execution, node_id="split", outputs={"sentences": [["…"]]}),
        ExecutionReport(execution, status="COMPLETED"),
    ])

Each is one short transaction. Those about an execution lock its row first, so that two workers come one after the
other; the second sees what the first has done. They look at the database, not at the instance that they are given,
which may be stale, and give back the row as it is afterwards. What may not follow raises, and changes nothing:
IllegalTransition, or ExecutionHasEnded for a node of an execution that has ended.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from executions.access import as_uuid
from executions.conf import limits
from executions.models import Graph, GraphExecution, NodeExecution, Notification
from executions.recording.queryset import SignallingQuerySet, TooManyEvents
from executions.reporting import recorder
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
from executions.statuses import ExecutionStatus, check_transition

__all__ = [
    "ExecutionHasEnded",
    "ExecutionReport",
    "NodeHasEnded",
    "NodeMismatch",
    "NodeOutputs",
    "NodeReport",
    "ReportRefused",
    "UnknownNode",
    "append_node_outputs",
    "finish_execution",
    "mark_read",
    "notify_user",
    "report_all",
    "report_execution",
    "report_node",
    "requeue_execution",
    "start_execution",
    "terminate_execution",
]

_PART = 1_000  # rows that one UPDATE changes


def start_execution(
    graph: Graph,
    *,
    user: Any,
    inputs: Mapping[str, Any] | None = None,
    preset_id: str | None = None,
    is_dry_run: bool = False,
    runner: str = "",
) -> GraphExecution:
    """A new execution, QUEUED, of the graph as it is saved at this moment."""
    with transaction.atomic():
        saved = Graph.objects.get(pk=graph.pk)
        return GraphExecution.objects.create(
            user=user,
            graph=saved,
            graph_version=saved.version,
            definition=saved.definition,
            status=ExecutionStatus.QUEUED,
            inputs=dict(inputs or {}),
            preset_id=preset_id,
            is_dry_run=is_dry_run,
            runner=runner,
        )


def report_node(
    execution: GraphExecution,
    *,
    node_id: str,
    block_id: str = "",
    status: ExecutionStatus | str,
    input_data: Mapping[str, Any] | None = None,
    output_data: Mapping[str, list[Any]] | None = None,
    node_exec_id: UUID | str | None = None,
) -> NodeExecution:
    """What happened to a node: its execution is created or changed. Data that is given replaces what was there.

    Without `node_exec_id` this is about the node's latest execution in the present attempt of the run, and creates one
    if there is none; an engine that runs a node several times in a run gives each an id of its own, and the first
    report with an id creates it. Raises ExecutionHasEnded, IllegalTransition, and NodeMismatch for an id that belongs
    to another node or execution.
    """
    row: NodeExecution = recorder.record_one(
        NodeReport(
            execution,
            node_id=node_id,
            block_id=block_id,
            status=status,
            input_data=input_data,
            output_data=output_data,
            node_exec_id=node_exec_id,
        )
    )
    return row


def append_node_outputs(
    execution: GraphExecution,
    *,
    node_id: str,
    outputs: Mapping[str, list[Any]],
    node_exec_id: UUID | str | None = None,
) -> NodeExecution:
    """Adds values behind those that a node has put out already, by name; of two workers that do so at once, neither
    loses anything. Without `node_exec_id` it is about the node's latest execution in the present attempt.

    Raises UnknownNode, NodeMismatch, NodeHasEnded and ExecutionHasEnded.
    """
    row: NodeExecution = recorder.record_one(
        NodeOutputs(execution, node_id=node_id, outputs=outputs, node_exec_id=node_exec_id)
    )
    return row


def report_execution(
    execution: GraphExecution,
    *,
    status: ExecutionStatus | str,
    outputs: Mapping[str, list[Any]] | None = None,
    stats: Stats | None = None,
) -> GraphExecution:
    """What happened to the execution as a whole. Outputs and stats that are given replace what was there.

    When it ends, whatever nodes are unfinished become TERMINATED before it: nothing more happens in it.
    """
    return _report(ExecutionReport(execution, status=status, outputs=outputs, stats=stats))


def finish_execution(
    execution: GraphExecution,
    *,
    status: ExecutionStatus | str = ExecutionStatus.COMPLETED,
    outputs: Mapping[str, list[Any]] | None = None,
    stats: Stats | None = None,
    error: str | None = None,
) -> GraphExecution:
    """The end that a run comes to by itself: COMPLETED or FAILED. `error` becomes part of the stats."""
    recorder.check_finish(ExecutionStatus(status))
    return _report(ExecutionReport(execution, status=status, outputs=outputs, stats=stats, error=error))


def terminate_execution(execution: GraphExecution) -> GraphExecution:
    """Stops it, with its unfinished nodes. One that is terminated already stays as it is."""
    return _report(ExecutionReport(execution, status=ExecutionStatus.TERMINATED))


def report_all(reports: Sequence[Report]) -> list[GraphExecution | NodeExecution]:
    """Many reports, of one execution or of several, in their order: all are recorded or none, as each of the verbs for
    it would, but with a few statements for all of them. Every step that a row takes is told.

    Returns the row that each report is about, as it is after all of them. Raises ReportRefused, which says by its index
    which report is wrong, and TooManyEvents beyond MAX_BULK_EVENTS reports.
    """
    if len(reports) > (limit := limits.MAX_BULK_EVENTS):
        raise TooManyEvents("report_all", limit)
    return recorder.record(reports)


def requeue_execution(execution: GraphExecution) -> GraphExecution:
    """Queues it again, for the engine that it is meant for. A terminated one begins anew: its outputs, stats and times
    are taken away, and reports are about a new attempt, while the node executions of the former ones stay as they
    ended. One that waits goes on from there. Raises IllegalTransition for one that runs or has come to its end."""
    with transaction.atomic():
        locked = _lock(execution)
        check_transition(locked.status, ExecutionStatus.QUEUED)
        if locked.status == ExecutionStatus.TERMINATED:
            locked.attempt += 1
            locked.outputs, locked.stats = {}, None
            locked.started_at, locked.ended_at = None, None
            locked.lease_expires_at = None
        if locked.status != ExecutionStatus.QUEUED:
            locked.status = ExecutionStatus.QUEUED
            locked.save()
        return locked


def notify_user(user: Any, *, type: str, event: str, **extra: Any) -> Notification:
    """Tells a user something, on all sockets that the user has; `extra` becomes part of the payload."""
    return Notification.objects.create(user=user, type=type, event=event, extra=extra)


def mark_read(user: Any, ids: Iterable[UUID | str] | None = None) -> int:
    """Marks the user's unread notifications as read: those with these ids, or all. How many there were; ids that are
    none, or another user's, do not count."""
    unread = Notification.objects.filter(user=user, read_at__isnull=True)
    if ids is not None:
        unread = unread.filter(pk__in={pk for pk in map(as_uuid, ids) if pk})
    return _update_in_parts(unread, read_at=timezone.now())


def _report(report: ExecutionReport) -> GraphExecution:
    row: GraphExecution = recorder.record_one(report)
    return row


def _lock(execution: GraphExecution) -> GraphExecution:
    """The row, locked until the transaction ends; not against those who only refer to it."""
    return GraphExecution.objects.select_for_update(no_key=True).get(pk=execution.pk)


def _update_in_parts(rows: SignallingQuerySet[Any], **values: Any) -> int:
    """Updates them all, however many. `values` must take a row out of the queryset."""
    count, size = 0, min(_PART, limits.MAX_BULK_EVENTS)
    with transaction.atomic():
        while pks := list(rows.order_by("pk").values_list("pk", flat=True)[:size]):
            # The conditions are asked again: a row may have left the queryset by itself since.
            count += rows.filter(pk__in=pks).update(**values)
    return count
