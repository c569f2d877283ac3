"""What workers, views and commands do to executions and notifications.

    execution = start_execution(graph, user=user, inputs={"text": "…"})
    report_execution(execution, status="RUNNING")
    report_node(execution, node_id="split", status="RUNNING", input_data={"text": "…"})
    append_node_outputs(execution, node_id="split", outputs={"sentences": [["…"]]})
    report_node(execution, node_id="split", status="COMPLETED", output_data={"sentences": [["…"]]})
    finish_execution(execution, status="COMPLETED", outputs={"report": ["…"]})

`report_all()` records many reports at a tenth of the cost of single calls:

    report_all([
        NodeReport(execution, node_id="split", status="RUNNING"),
        NodeOutputs(execution, node_id="split", outputs={"sentences": [["…"]]}),
        ExecutionReport(execution, status="COMPLETED"),
    ])

Each call is one short transaction. A call about an execution locks its row first. So of two concurrent workers the
second one waits, and then sees what the first one wrote. The call reads the row from the database, because the instance
may be stale, and returns the row as it is afterwards. A report that is not allowed raises and changes nothing:
IllegalTransition, or ExecutionHasEnded for a node of an execution that has ended.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict, Unpack
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from executions.access import as_uuid
from executions.conf import limits
from executions.models import Graph, GraphExecution, NodeExecution, Notification
from executions.queue_caps import QueueIsFull, check_queue
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
from executions.sharing import (
    ShareTokenTaken,
    WrongEnd,
    a_token_of_its_own,
    end_of_link,
    share_execution,
    token_for,
)
from executions.statuses import ExecutionStatus, check_transition

__all__ = [
    "ExecutionHasEnded",
    "ExecutionReport",
    "NodeHasEnded",
    "NodeMismatch",
    "NodeOutputs",
    "NodeReport",
    "QueueIsFull",
    "ReportRefused",
    "ShareTokenTaken",
    "StartOptions",
    "UnknownNode",
    "WrongEnd",
    "append_node_outputs",
    "finish_execution",
    "mark_read",
    "notify_user",
    "report_all",
    "report_execution",
    "report_node",
    "requeue_execution",
    "share_execution",
    "start_execution",
    "terminate_execution",
]

_UPDATE_SIZE = 1_000  # rows that one UPDATE changes


class StartOptions(TypedDict, total=False):
    """What a run may be started with, besides its inputs."""

    credential_inputs: Mapping[str, Any] | None
    nodes_input_masks: Mapping[str, Any] | None
    is_shared: bool
    share_token: str | None  # None: a shared run gets a token that cannot be guessed
    share_expires_at: datetime | None  # None: a shared run is shared for SHARE_LIFETIME
    organization_id: str | None
    team_id: str | None
    expert_id: str | None
    trigger_source: str | None
    trigger_ref: str | None
    schedule_id: str | None
    webhook_id: str | None


def start_execution(
    graph: Graph,
    *,
    user: Any,
    inputs: Mapping[str, Any] | None = None,
    preset_id: str | None = None,
    is_dry_run: bool = False,
    runner: str = "",
    **options: Unpack[StartOptions],
) -> GraphExecution:
    """Creates a QUEUED execution of the graph as it is in the database now. It gets the organization and the team of
    the graph, unless the caller names others. Raises Graph.DoesNotExist, QueueIsFull if too much of the user or for the
    engine waits already, and what `share_execution` raises."""
    is_shared = options.get("is_shared", False)
    options["share_token"] = token_for(is_shared, options.get("share_token"))
    options["share_expires_at"] = end_of_link(is_shared, options.get("share_expires_at"))
    with a_token_of_its_own(options["share_token"]):
        saved = Graph.objects.get(pk=graph.pk)
        options.setdefault("organization_id", saved.organization_id)
        options.setdefault("team_id", saved.team_id)
        more = options.get("credential_inputs"), options.get("nodes_input_masks")
        size = check_queue(user.pk, runner, saved.nodes, saved.links, inputs, *more)
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
            queued_bytes=size,
            **options,
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
    """Records the state of a node: creates or changes its node execution. Given data replaces the old data.

    Without `node_exec_id` the report is about the latest execution of the node in the current attempt of the run, and
    creates one if there is none. An engine that runs a node several times in a run gives each node execution its own
    id. The first report with an id creates it.

    Raises ExecutionHasEnded, IllegalTransition, and NodeMismatch for an id of another node or execution.
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
    """Appends values to the outputs of a node: name → list of values. Concurrent calls lose no value. Without
    `node_exec_id` the call is about the latest execution of the node in the current attempt of the run.

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
    """Records the state of the execution as a whole. Given outputs and stats replace the old ones.

    If the execution ends, its unfinished nodes become TERMINATED first. Raises IllegalTransition.
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
    """Ends a run that ended by itself, as COMPLETED or FAILED. `error` is added to the stats. Raises ValueError for
    another status, and IllegalTransition."""
    recorder.check_finish(ExecutionStatus(status))
    return _report(ExecutionReport(execution, status=status, outputs=outputs, stats=stats, error=error))


def terminate_execution(execution: GraphExecution) -> GraphExecution:
    """Stops the execution and its unfinished nodes. A terminated one stays as it is. Raises IllegalTransition."""
    return _report(ExecutionReport(execution, status=ExecutionStatus.TERMINATED))


def report_all(reports: Sequence[Report]) -> list[GraphExecution | NodeExecution]:
    """Records the reports on one or more executions, in their order: all or none. The result and the events are those
    of single calls, but the number of SQL statements does not depend on the number of reports.

    Returns the row of each report, as it is after all reports. Raises ReportRefused, whose `index` names the refused
    report, and TooManyEvents beyond MAX_BULK_EVENTS reports.
    """
    if len(reports) > (limit := limits.MAX_BULK_EVENTS):
        raise TooManyEvents("report_all", limit)
    return recorder.record(reports)


def requeue_execution(execution: GraphExecution, *, keeps_its_place: bool = False) -> GraphExecution:
    """Queues the execution again, for the same engine.

    A TERMINATED execution starts a new attempt: its outputs, stats and times are cleared. The node executions of the
    old attempts stay. An execution in REVIEW continues where it is. Raises IllegalTransition for a status that QUEUED
    may not follow, and QueueIsFull as `start_execution` does. An engine that gives an execution back at once says
    `keeps_its_place`: it is never refused.
    """
    with transaction.atomic():
        locked = _lock(execution)
        check_transition(locked.status, ExecutionStatus.QUEUED)
        if locked.status == ExecutionStatus.TERMINATED:
            locked.attempt += 1
            locked.outputs, locked.stats = {}, None
            locked.started_at, locked.ended_at = None, None
            locked.lease_expires_at = None
        if locked.status != ExecutionStatus.QUEUED:
            if not keeps_its_place:
                more = locked.credential_inputs, locked.nodes_input_masks
                check_queue(locked.user_id, locked.runner, locked.definition, locked.inputs, *more)
            locked.status = ExecutionStatus.QUEUED
            locked.save()
        return locked


def notify_user(user: Any, *, type: str, event: str, **extra: Any) -> Notification:
    """Creates a notification, which all sockets of the user receive. `extra` is added to the payload."""
    return Notification.objects.create(user=user, type=type, event=event, extra=extra)


def mark_read(user: Any, ids: Iterable[UUID | str] | None = None) -> int:
    """Marks unread notifications of the user as read: the ones with these ids, or all. Returns how many.

    Ids that are not UUIDs, and ids of other users' notifications, are ignored."""
    unread = Notification.objects.filter(user=user, read_at__isnull=True)
    if ids is not None:
        unread = unread.filter(pk__in={pk for pk in map(as_uuid, ids) if pk})
    return _update_in_parts(unread, read_at=timezone.now())


def _report(report: ExecutionReport) -> GraphExecution:
    row: GraphExecution = recorder.record_one(report)
    return row


def _lock(execution: GraphExecution) -> GraphExecution:
    """Reads and locks the row until the transaction ends. Rows that only refer to it can still be written."""
    return GraphExecution.objects.select_for_update(no_key=True).get(pk=execution.pk)


def _update_in_parts(rows: SignallingQuerySet[Any], **values: Any) -> int:
    """Updates any number of rows. Returns how many. An updated row must no longer match the queryset."""
    count, size = 0, min(_UPDATE_SIZE, limits.MAX_BULK_EVENTS)
    with transaction.atomic():
        while pks := list(rows.order_by("pk").values_list("pk", flat=True)[:size]):
            # The conditions of the queryset are checked again: another transaction may have changed a row.
            count += rows.filter(pk__in=pks).update(**values)
    return count
