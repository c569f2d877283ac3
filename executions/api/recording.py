"""Reports of workers, as those of `executions.services` that they are."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Q

from executions.api.errors import not_found
from executions.api.schemas import SUMMARY
from executions.api.worker_schemas import ExecutionReport, NewExecution, NodeOutputs, NodeReport
from executions.models import GraphExecution, WorkerToken
from executions.reporting import reports
from executions.reporting.recorder import record_one

Sent = ExecutionReport | NodeReport | NodeOutputs


def record(execution: GraphExecution, data: Sent) -> Any:
    """The execution or node execution that it is about, as it is afterwards."""
    return record_one(as_report(execution, data))


def as_report(execution: GraphExecution, data: Sent) -> reports.Report:
    """What a worker has sent, as `executions.services` takes it."""
    if isinstance(data, ExecutionReport):
        return reports.ExecutionReport(
            execution, status=data.status, outputs=data.outputs, stats=data.stats, error=data.error
        )
    if isinstance(data, NodeReport):
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


def find_user(data: NewExecution) -> Any:
    users = get_user_model()._default_manager.filter(is_active=True)
    try:
        if data.user_id is not None:
            user = users.filter(pk=data.user_id).first()
        else:
            user = users.filter(**{get_user_model().USERNAME_FIELD: data.username}).first()
    except (ValueError, OverflowError, ValidationError):
        user = None
    if user is None:
        raise not_found("User", "username" if data.user_id is None else "user_id")
    return user


def lock(token: WorkerToken, ids: Sequence[UUID], path: str | None = None) -> dict[UUID, GraphExecution]:
    """Those executions, locked in one order for all batches, so that no two wait for each other. Raises Problem where
    one is not this worker's to report; `path` says with `{}` for its index where its id was sent."""
    own = Q(runner=token.runner) | Q(runner="")
    rows = GraphExecution.objects.filter(own, pk__in=set(ids)).order_by("pk").select_for_update(no_key=True)
    found = {row.pk: row for row in rows.only("lease_seconds", *SUMMARY)}
    for index, id in enumerate(ids):
        if id not in found:
            raise not_found("Execution", path and path.format(index))
    return found
