"""The API for workers: engines in any language that report over HTTP. Each request is recorded in one transaction.

A worker may report the executions whose `runner` is `worker:NAME`, where NAME is the name of its token, and those with
an empty `runner`; all within the scope of its token (`worker_scope.py`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Header, Router
from pydantic import BaseModel

from executions import leases, services
from executions.api import recording
from executions.api.errors import Problem, as_problem, errors, not_found
from executions.api.idempotency import Done, KeyReused, answer_once, fingerprint
from executions.api.paging import Cursor, Limit, page_of
from executions.api.schemas import SUMMARY_COLUMNS, ExecutionPage, NodeOut
from executions.api.worker_schemas import (
    Batch,
    BatchAnswer,
    ExecutionReportIn,
    HeldExecution,
    NewExecution,
    NodeOutputsIn,
    NodeReportIn,
)
from executions.api.worker_scope import executions_in_scope, find_user_and_graph
from executions.models import GraphExecution, NodeExecution, WorkerToken
from executions.record_caps import check_recorded
from executions.statuses import ExecutionStatus

router = Router(tags=["workers"])

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{1,255}$",
        description="Any text of your choice, for example a UUID. A repeat with the same key, within a day, changes "
        "nothing and gets the first one's answer, with the header Idempotent-Replayed. A long answer is not kept: it "
        "shows the execution or node as it is now. The same key with another request is refused (422).",
    ),
]


@router.post(
    "/executions",
    response={201: HeldExecution, **errors(404, 415, 422, 429)},
    summary="Create an execution",
    operation_id="worker_create_execution",
)
def create_execution(request: HttpRequest, data: NewExecution, idempotency_key: Key = None) -> Any:
    """For a user, of a graph of this user. The scope of the token may narrow this to some users. It may name graphs,
    and then for any user who may see them. The execution is QUEUED until you report that it is RUNNING."""

    def work() -> BaseModel:
        user, graph = find_user_and_graph(_token(request), data)
        check_recorded([user.pk])
        with transaction.atomic():
            execution = services.start_execution(
                graph,
                user=user,
                inputs=data.inputs,
                preset_id=data.preset_id,
                is_dry_run=data.is_dry_run,
                runner=_token(request).runner,
                **data.options,
            )
            if data.lease_seconds:
                execution.lease_seconds = data.lease_seconds
                execution.save(update_fields=["lease_seconds"])
                leases.renew_worker_leases([execution])
        return HeldExecution.from_orm(execution)

    return _answer(request, idempotency_key, 201, work, HeldExecution)


@router.get(
    "/executions",
    response={200: ExecutionPage, **errors(422)},
    summary="List this worker's executions",
    operation_id="worker_list_executions",
)
def list_executions(
    request: HttpRequest,
    status: ExecutionStatus | None = None,
    limit: Limit = None,
    cursor: Cursor = None,
) -> Any:
    """Those meant for this worker, oldest first: with `status=QUEUED`, what there is to do."""
    token = _token(request)
    rows = GraphExecution.objects.filter(executions_in_scope(token), runner=token.runner).only(*SUMMARY_COLUMNS)
    if status is not None:
        rows = rows.filter(status=status)
    return page_of(rows, limit=limit, cursor=cursor, newest_first=False)._asdict()


@router.post(
    "/executions/{uuid:execution_id}/report",
    response={200: HeldExecution, **errors(404, 409, 415, 422)},
    summary="Report an execution",
    operation_id="worker_report_execution",
)
def report_execution(
    request: HttpRequest, execution_id: UUID, data: ExecutionReportIn, idempotency_key: Key = None
) -> Any:
    """Its status, outputs and figures. When it ends, nodes that have not ended become TERMINATED. A status that may not
    follow the present one is refused (409)."""
    return _record(request, execution_id, data, idempotency_key, HeldExecution)


@router.post(
    "/executions/{uuid:execution_id}/nodes",
    response={200: NodeOut, **errors(404, 409, 415, 422)},
    summary="Report a node",
    operation_id="worker_report_node",
)
def report_node(request: HttpRequest, execution_id: UUID, data: NodeReportIn, idempotency_key: Key = None) -> Any:
    """The first report of a node creates its execution; later ones change it. Refused (409) once the execution has
    ended."""
    return _record(request, execution_id, data, idempotency_key, NodeOut)


@router.post(
    "/executions/{uuid:execution_id}/nodes/outputs",
    response={200: NodeOut, **errors(404, 409, 415, 422)},
    summary="Append to a node's outputs",
    operation_id="worker_append_outputs",
)
def append_outputs(request: HttpRequest, execution_id: UUID, data: NodeOutputsIn, idempotency_key: Key = None) -> Any:
    """The values come behind those that are there, by name. The node must have been reported, and not have ended."""
    return _record(request, execution_id, data, idempotency_key, NodeOut)


@router.post(
    "/executions/{uuid:execution_id}/heartbeat",
    response={200: HeldExecution, **errors(404)},
    summary="Keep the lease",
    operation_id="worker_heartbeat",
)
def heartbeat(request: HttpRequest, execution_id: UUID) -> Any:
    """You are still at it, and have nothing to report. The answer says whether it is still RUNNING."""
    with _locked(request, execution_id) as execution:
        return execution


@router.post(
    "/reports",
    response={200: BatchAnswer, **errors(404, 409, 415, 422)},
    summary="Report many things at once",
    operation_id="worker_report_batch",
)
def report_batch(request: HttpRequest, data: Batch, idempotency_key: Key = None) -> Any:
    """Up to 1,000 reports on any of this worker's executions, in their order, all or none. The path of an error says
    which one: `reports[3].status`. It is one transaction, and each stream is numbered and announced once."""

    def work() -> BaseModel:
        with transaction.atomic():
            executions = recording.lock(
                _token(request), [report.execution_id for report in data.reports], "reports[{}].execution_id"
            )
            recording.check_budgets((executions[report.execution_id], report) for report in data.reports)
            leases.renew_worker_leases(executions.values())
            try:
                services.report_all(
                    [recording.as_report(executions[report.execution_id], report) for report in data.reports]
                )
            except services.ReportRefused as refused:
                problem = as_problem(refused.error)
                if problem is None:
                    raise refused.error from refused
                raise problem.with_prefix(f"reports[{refused.index}]") from refused
        return BatchAnswer(recorded=len(data.reports))

    return _answer(request, idempotency_key, 200, work, BatchAnswer)


def _record(
    request: HttpRequest,
    execution_id: UUID,
    data: recording.ReportIn,
    key: str | None,
    shape: type[HeldExecution] | type[NodeOut],
) -> HttpResponse:
    """Records one report, and answers with the changed row in this shape."""

    def work() -> BaseModel:
        with _locked(request, execution_id) as execution:
            recording.check_budgets([(execution, data)])
            return shape.from_orm(recording.record(execution, data))

    return _answer(request, key, 200, work, shape)


@contextmanager
def _locked(request: HttpRequest, execution_id: UUID) -> Iterator[GraphExecution]:
    """A transaction in which an execution of this worker is locked. Renews its lease."""
    with transaction.atomic():
        execution = recording.lock(_token(request), [execution_id])[execution_id]
        leases.renew_worker_leases([execution])
        yield execution


def _token(request: HttpRequest) -> WorkerToken:
    token: WorkerToken = request.auth  # type: ignore[attr-defined]
    return token


def _answer(
    request: HttpRequest, key: str | None, status: int, work: Callable[[], BaseModel], shape: type[BaseModel]
) -> HttpResponse:
    """Does the work, once for each key. It returns an object of this shape."""

    def do() -> Done:
        made = work()
        return Done(status, made.model_dump_json(), getattr(made, "id", None))

    is_repeated = False
    if key is None:
        body = do().body
    else:
        request_hash = fingerprint(request.method or "", request.path, request.body)
        try:
            status, body, is_repeated = answer_once(
                _token(request), key, request_hash, do, lambda pk: _row_as_json(shape, pk)
            )
        except KeyReused as error:
            raise Problem(
                422, "idempotency_key_used", str(error), path="Idempotency-Key", hint="Use a new key."
            ) from None
    headers = {"Idempotent-Replayed": "true"} if is_repeated else {}
    return HttpResponse(body, status=status, content_type="application/json; charset=utf-8", headers=headers)


def _row_as_json(shape: type[BaseModel], pk: UUID) -> str:
    """The row of this shape as it is now."""
    if shape is NodeOut:
        node = NodeExecution.objects.filter(pk=pk).first()
        if node is None:
            raise not_found("Node")
        return NodeOut.from_orm(node).model_dump_json()
    execution = GraphExecution.objects.filter(pk=pk).only("lease_seconds", *SUMMARY_COLUMNS).first()
    if execution is None:
        raise not_found("Execution")
    return HeldExecution.from_orm(execution).model_dump_json()
