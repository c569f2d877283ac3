"""Turns the reports of workers into those of `executions.reporting`, and locks the executions they are about."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Q

from executions.api.errors import not_found
from executions.api.schemas import SUMMARY_COLUMNS
from executions.api.worker_schemas import ExecutionReportIn, NodeOutputsIn, NodeReportIn
from executions.api.worker_scope import executions_in_scope
from executions.models import GraphExecution, WorkerToken
from executions.record_caps import check_recorded
from executions.reporting import reports
from executions.reporting.recorder import record_one
from executions.statuses import ENDED

ReportIn = ExecutionReportIn | NodeReportIn | NodeOutputsIn


def record(execution: GraphExecution, data: ReportIn) -> Any:
    """Records one report. Returns the changed execution or node execution."""
    return record_one(as_report(execution, data))


def as_report(execution: GraphExecution, data: ReportIn) -> reports.Report:
    """The report in the form that `executions.reporting` records."""
    if isinstance(data, ExecutionReportIn):
        return reports.ExecutionReport(
            execution, status=data.status, outputs=data.outputs, stats=data.stats, error=data.error
        )
    if isinstance(data, NodeReportIn):
        return reports.NodeReport(
            execution,
            node_id=data.node_id,
            block_id=data.block_id,
            status=data.status,
            input_data=data.input_data,
            output_data=data.output_data,
            node_exec_id=data.node_exec_id,
        )
    return reports.NodeOutputs(execution, node_id=data.node_id, outputs=data.outputs, node_exec_id=data.node_exec_id)


def check_budgets(reports: Iterable[tuple[GraphExecution, ReportIn]]) -> None:
    """Raises TooMuchRecorded if the users of the executions may not record more. The end of an execution, without
    outputs, is recorded in any case."""
    check_recorded(execution.user_id for execution, data in reports if not _is_bare_end(execution, data))


def _is_bare_end(execution: GraphExecution, data: ReportIn) -> bool:
    return (
        isinstance(data, ExecutionReportIn)
        and data.status in ENDED
        and not data.outputs
        and execution.status not in ENDED
    )


def lock(token: WorkerToken, ids: Sequence[UUID], path: str | None = None) -> dict[UUID, GraphExecution]:
    """The executions by id, locked. All batches lock in the same order, so they do not deadlock. Raises Problem if the
    worker may not report one of them; `path` is the path of its id in the request, with `{}` for the index."""
    own = (Q(runner=token.runner) | Q(runner="")) & executions_in_scope(token)
    rows = GraphExecution.objects.filter(own, pk__in=set(ids)).order_by("pk").select_for_update(no_key=True)
    found = {row.pk: row for row in rows.only("lease_seconds", *SUMMARY_COLUMNS)}
    for index, id in enumerate(ids):
        if id not in found:
            raise not_found("Execution", path and path.format(index))
    return found
