"""The verbs: what workers, views and commands do to executions and notifications.

    execution = start_execution(graph, user=user, inputs={"text": "…"})
    report_execution(execution, status="RUNNING")
    report_node(execution, node_id="split", status="RUNNING", input_data={"text": "…"})
    append_node_outputs(execution, node_id="split", outputs={"sentences": [["…"]]})
    report_node(execution, node_id="split", status="COMPLETED", output_data={"sentences": [["…"]]})
    finish_execution(execution, status="COMPLETED", outputs={"report": ["…"]})

Each is one short transaction. Those about an execution lock its row first, so that two workers come one after the
other; the second sees what the first has done. They look at the database, not at the instance that they are given,
which may be stale, and give back the row as it is afterwards. What may not follow raises, and changes nothing:
IllegalTransition, or ExecutionHasEnded for a node of an execution that has ended.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from executions.access import as_uuid
from executions.conf import limits
from executions.events import GraphExecutionEvent
from executions.models import Graph, GraphExecution, NodeExecution, Notification
from executions.querysets import RecordedQuerySet
from executions.statuses import ENDED, ExecutionStatus, check_transition

Stats = GraphExecutionEvent.Stats | Mapping[str, Any]

_PART = 1_000  # rows that one UPDATE changes
_UNFINISHED = sorted(set(ExecutionStatus) - ENDED)


class ExecutionHasEnded(ValueError):  # noqa: N818 - the name is public API
    """A report on a node of an execution in which nothing happens any more."""

    def __init__(self, execution: GraphExecution) -> None:
        self.status = ExecutionStatus(execution.status)
        super().__init__(f"Execution {execution.pk} has ended ({self.status}): its nodes can no longer be reported.")


class UnknownNode(ValueError):  # noqa: N818 - the name is public API
    """Something is to be added to a node execution that does not exist."""


class NodeMismatch(ValueError):  # noqa: N818 - the name is public API
    """A node_exec_id that belongs to another node, or to another execution."""


class NodeHasEnded(ValueError):  # noqa: N818 - the name is public API
    """Something is to be added to a node execution that has ended."""


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
    with transaction.atomic():
        locked = _lock(execution, ("user", "graph", "graph_version", "status", "attempt"))
        if locked.status in ENDED:
            raise ExecutionHasEnded(locked)
        pk = None if node_exec_id is None else as_uuid(node_exec_id)
        if node_exec_id is not None and pk is None:
            raise ValueError(f"node_exec_id is {node_exec_id!r}, which is no UUID.")
        node = _find_node(locked, node_id, pk) or NodeExecution(
            id=pk or uuid4(), node_id=node_id, attempt=locked.attempt
        )
        node.graph_execution = locked
        node.status = ExecutionStatus(status)
        if block_id:
            node.block_id = block_id
        if input_data is not None:
            node.input_data = dict(input_data)
        if output_data is not None:
            node.output_data = dict(output_data)
        node.save()
        return node


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
    with transaction.atomic():
        locked = _lock(execution, ("user", "graph", "graph_version", "status", "attempt"))
        if locked.status in ENDED:
            raise ExecutionHasEnded(locked)
        pk = None if node_exec_id is None else as_uuid(node_exec_id)
        node = _find_node(locked, node_id, pk)
        if node is None:
            raise UnknownNode(f"Execution {locked.pk} has no execution of node {node_id}. Report its status first.")
        if node.status in ENDED:
            raise NodeHasEnded(f"Node {node_id} has ended ({node.status}): nothing can be added to it.")
        node.output_data = {
            **node.output_data,
            **{name: [*node.output_data.get(name, []), *values] for name, values in outputs.items()},
        }
        node.save(update_fields=["output_data"])
        return node


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
    return _report(execution, ExecutionStatus(status), outputs, stats)


def finish_execution(
    execution: GraphExecution,
    *,
    status: ExecutionStatus | str = ExecutionStatus.COMPLETED,
    outputs: Mapping[str, list[Any]] | None = None,
    stats: Stats | None = None,
    error: str | None = None,
) -> GraphExecution:
    """The end that a run comes to by itself: COMPLETED or FAILED. `error` becomes part of the stats."""
    status = ExecutionStatus(status)
    if status not in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED):
        raise ValueError(f"An execution finishes as COMPLETED or FAILED, not as {status}.")
    return _report(execution, status, outputs, stats, error)


def terminate_execution(execution: GraphExecution) -> GraphExecution:
    """Stops it, with its unfinished nodes. One that is terminated already stays as it is."""
    return _report(execution, ExecutionStatus.TERMINATED)


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


def _report(
    execution: GraphExecution,
    status: ExecutionStatus,
    outputs: Mapping[str, list[Any]] | None = None,
    stats: Stats | None = None,
    error: str | None = None,
) -> GraphExecution:
    with transaction.atomic():
        locked = _lock(execution)
        check_transition(locked.status, status)
        if status in ENDED:
            # First, so that the end of the execution is the last that is told of this attempt.
            _update_in_parts(locked.node_executions.filter(status__in=_UNFINISHED), status=ExecutionStatus.TERMINATED)
        changed = set()
        if status != locked.status:
            locked.status = status
            changed.add("status")
        if outputs is not None:
            locked.outputs = dict(outputs)
            changed.add("outputs")
        if stats is not None or error is not None:
            locked.stats = _as_dict(locked.stats if stats is None else stats)
            if error is not None:
                locked.stats["error"] = error
            changed.add("stats")
        locked.save(update_fields=changed)
        return locked


def _as_dict(stats: Stats | None) -> dict[str, Any]:
    return stats.model_dump() if isinstance(stats, GraphExecutionEvent.Stats) else dict(stats or {})


def _lock(execution: GraphExecution, fields: Iterable[str] = ()) -> GraphExecution:
    """The row, locked until the transaction ends; not against those who only refer to it."""
    rows = GraphExecution.objects.select_for_update(no_key=True)
    return (rows.only(*fields) if fields else rows).get(pk=execution.pk)


def _find_node(execution: GraphExecution, node_id: str, pk: UUID | None) -> NodeExecution | None:
    rows = NodeExecution.objects.select_for_update(no_key=True)
    if pk is None:
        rows = rows.filter(graph_execution=execution, node_id=node_id, attempt=execution.attempt)
        return rows.order_by("add_time", "pk").last()
    node = rows.filter(pk=pk).first()
    if node and (node.graph_execution_id, node.node_id) != (execution.pk, node_id):
        raise NodeMismatch(
            f"Node execution {node.pk} is of node {node.node_id} in execution {node.graph_execution_id}."
        )
    return node


def _update_in_parts(rows: RecordedQuerySet[Any], **values: Any) -> int:
    """Updates them all, however many. `values` must take a row out of the queryset."""
    count, size = 0, min(_PART, limits.MAX_BULK_EVENTS)
    with transaction.atomic():
        while pks := list(rows.order_by("pk").values_list("pk", flat=True)[:size]):
            # The conditions are asked again: a row may have left the queryset by itself since.
            count += rows.filter(pk__in=pks).update(**values)
    return count
