"""Start, list, terminate, rerun and delete executions. `realtime.bridge` reads one together with its stream
position."""

from typing import Annotated, Any, Self
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from ninja import Router, Status
from pydantic import ConfigDict, Field, model_validator

from executions import access, services
from executions.access import find_execution, find_graph, may_change
from executions.api.errors import Problem, errors, forbidden, invalid, not_found
from executions.api.paging import Cursor, Limit, page_of
from executions.api.schemas import (
    EXAMPLE_GRAPH_ID,
    SUMMARY_COLUMNS,
    ExecutionPage,
    ExecutionSummary,
    NodePage,
    RequestBody,
    ShareEnd,
    ShareToken,
    Sharing,
    StartOptionsIn,
    UtcDatetime,
    check_sharing,
)
from executions.blocks.run_inputs import run_fields
from executions.graphs import parse_graph
from executions.leases import EMBEDDED
from executions.models import Graph, GraphExecution, NodeExecution
from executions.models.worker_token import WORKER
from executions.node_data import load_within
from executions.record_caps import check_recorded
from executions.statuses import ENDED, ExecutionStatus
from executions.validation import first, quoted

router = Router(tags=["executions"])

_KEPT_BY_A_RERUN = ("credential_inputs", "nodes_input_masks", "organization_id", "team_id", "expert_id")


class StartIn(StartOptionsIn):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"graph_id": EXAMPLE_GRAPH_ID, "inputs": {"text": "One. Two. Three."}}]}
    )

    graph_id: UUID
    inputs: dict[str, Any] = Field({}, description="Name → value, for the nodes that no link leads to.")
    preset_id: str | None = Field(None, max_length=255)
    is_dry_run: bool = False
    runner: str = Field(
        EMBEDDED,
        max_length=255,
        pattern=rf"^({EMBEDDED}|{WORKER}[^:]+)?$",
        description="Who shall run it: `embedded`, `worker:NAME`, or empty for whoever reports it.",
    )


@router.post(
    "",
    response={201: ExecutionSummary, **errors(403, 404, 415, 422, 429)},
    summary="Start an execution",
    operation_id="start_execution",
)
def start_execution(request: HttpRequest, data: StartIn) -> Any:
    """It is QUEUED, and runs the graph as it is saved at this moment. Watch it with the socket: subscribe with
    `after: 0`."""
    graph = find_graph(request.auth, data.graph_id)  # type: ignore[attr-defined]
    if graph is None:
        raise not_found("Graph", "graph_id")
    if data.runner == EMBEDDED:
        _check_inputs(graph, data.inputs)
    check_recorded([request.auth.pk])  # type: ignore[attr-defined]
    return Status(
        201,
        services.start_execution(
            graph,
            user=request.auth,  # type: ignore[attr-defined]
            inputs=data.inputs,
            preset_id=data.preset_id,
            is_dry_run=data.is_dry_run,
            runner=data.runner,
            **data.options,
        ),
    )


@router.get("", response={200: ExecutionPage, **errors(422)}, summary="List executions", operation_id="list_executions")
def list_executions(
    request: HttpRequest,
    graph_id: UUID | None = None,
    status: ExecutionStatus | None = None,
    created_after: Annotated[UtcDatetime | None, Field(description="Not before this time.")] = None,
    created_before: Annotated[UtcDatetime | None, Field(description="Before this time.")] = None,
    limit: Limit = None,
    cursor: Cursor = None,
) -> Any:
    """Your executions, newest first, without inputs, outputs and nodes. Staff with the permission to view executions
    see all; with teams, members see those of their teams. Each page costs the same, however many there are."""
    between = Q()
    if created_after is not None:
        between &= Q(created_at__gte=created_after)
    if created_before is not None:
        between &= Q(created_at__lt=created_before)
    parts = access.list_executions_in_parts(request.auth, graph_id=graph_id, status=status)  # type: ignore[attr-defined]
    rows = (part.filter(between).only(*SUMMARY_COLUMNS) for part in parts)
    return page_of(*rows, limit=limit, cursor=cursor)._asdict()


@router.get(
    "/{uuid:execution_id}/nodes",
    response={200: NodePage, **errors(404, 422)},
    summary="List node executions",
    operation_id="list_nodes",
)
def list_nodes(request: HttpRequest, execution_id: UUID, limit: Limit = None, cursor: Cursor = None) -> Any:
    """All node executions, those of former attempts included, oldest first. A page ends early, with a `next_cursor`,
    where its inputs and outputs have a few megabytes."""
    rows = NodeExecution.objects.filter(graph_execution=_find(request, execution_id))
    return page_of(rows, limit=limit, cursor=cursor, time="add_time", newest_first=False, load=load_within)._asdict()


@router.post(
    "/{uuid:execution_id}/terminate",
    response={200: ExecutionSummary, **errors(403, 404, 409)},
    summary="Terminate an execution",
    operation_id="terminate_execution",
)
def terminate_execution(request: HttpRequest, execution_id: UUID) -> Any:
    """It becomes TERMINATED, with its unfinished nodes. One that is terminated already stays as it is; one that has
    come to its end cannot be (409)."""
    return services.terminate_execution(_find_permitted(request, execution_id, "change"))


@router.post(
    "/{uuid:execution_id}/rerun",
    response={201: ExecutionSummary, **errors(403, 404, 429)},
    summary="Run it again",
    operation_id="rerun_execution",
)
def rerun_execution(request: HttpRequest, execution_id: UUID) -> Any:
    """A new execution with the same inputs, of the graph as it is saved now, for the same kind of runner. The old one
    stays as it is."""
    old = _find_permitted(request, execution_id, "change")
    check_recorded([old.user_id])
    runner = EMBEDDED if old.runner.startswith(f"{EMBEDDED}:") else old.runner
    return Status(
        201,
        services.start_execution(
            old.graph,
            user=old.user,
            inputs=old.inputs,
            preset_id=old.preset_id,
            is_dry_run=old.is_dry_run,
            runner=runner,
            **{name: getattr(old, name) for name in _KEPT_BY_A_RERUN},
        ),
    )


class SharingIn(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"is_shared": True}]})

    is_shared: bool
    share_token: ShareToken | None = Field(None, description="Null: one that cannot be guessed.")
    expires_at: ShareEnd | None = None

    @model_validator(mode="after")
    def _token_is_of_a_shared_run(self) -> Self:
        check_sharing(self.is_shared, self.share_token, self.expires_at)
        return self


@router.put(
    "/{uuid:execution_id}/sharing",
    response={200: Sharing, **errors(403, 404, 409, 415, 422)},
    summary="Share it, or no longer",
    operation_id="share_execution",
)
def share_execution(request: HttpRequest, execution_id: UUID, data: SharingIn) -> Any:
    """Whoever has the link sees status, times and outputs. Another token, or the end of sharing, takes it back at
    once."""
    execution = _find_permitted(request, execution_id, "change")
    return services.share_execution(
        execution, is_shared=data.is_shared, token=data.share_token, expires_at=data.expires_at
    )


@router.delete(
    "/{uuid:execution_id}",
    response={204: None, **errors(403, 404, 409)},
    summary="Delete an execution",
    operation_id="delete_execution",
)
def delete_execution(request: HttpRequest, execution_id: UUID) -> Any:
    """With its nodes and its events; its subscribers are told. One that has not ended must be terminated first
    (409)."""
    execution = _find_permitted(request, execution_id, "delete")
    with transaction.atomic():
        locked = GraphExecution.objects.select_for_update().filter(pk=execution.pk).first()
        if locked is None:
            raise not_found("Execution")
        if locked.status not in ENDED:
            raise Problem(
                409, "execution_has_not_ended", f"It is {locked.status}.", path="status", hint="Terminate it first."
            )
        locked.delete()
    return HttpResponse(status=204)


def _find(request: HttpRequest, execution_id: UUID) -> GraphExecution:
    execution = find_execution(request.auth, execution_id)  # type: ignore[attr-defined]
    if execution is None:
        raise not_found("Execution")
    return execution


def _find_permitted(request: HttpRequest, execution_id: UUID, verb: str) -> GraphExecution:
    execution = _find(request, execution_id)
    if not may_change(request.auth, execution, verb):  # type: ignore[attr-defined]
        raise forbidden(f"You may see this execution, and not {verb} it.")
    return execution


def _check_inputs(graph: Graph, inputs: dict[str, Any]) -> None:
    """Refuses inputs with which the embedded runner would fail the run. Raises Problem."""
    fields = run_fields(parse_graph(graph.nodes, graph.links))
    for name in inputs:
        if name not in fields:
            allowed = ", ".join(first(list(fields), len(fields))) or "none"
            name = quoted(name)
            raise invalid(f"No node of the graph takes the input “{name}”.", f"inputs.{name}", f"It takes: {allowed}.")
    for name, field in fields.items():
        if field.is_required and name not in inputs:
            raise invalid("The graph needs this input.", f"inputs.{name}", field.description or "Send it.")
