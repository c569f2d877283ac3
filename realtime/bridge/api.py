"""Executions over HTTP: the state of one with the position of its stream, and the events of its stream.

A page reads an execution and then subscribes with `{"after": head, "epoch": epoch}`. No event is missed: an event gets
its number after the commit of its change, so a snapshot of the database that shows the head also shows the changes of
all events up to the head. An event that is committed and has no number yet is sent after the head, although the state
includes it already. This does no harm, because an event contains a state, not a difference.
"""

from hashlib import sha256
from types import SimpleNamespace
from typing import Annotated
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from ninja import Header, Router
from pydantic import Field

from executions.access import find_execution, find_watchable_graph
from executions.api.errors import errors, not_found
from executions.api.schemas import ExecutionFull, execution_detail
from realtime import streams
from realtime.http.stream_events import After, Epoch, EventPage, stream_page
from realtime.log import store
from realtime.log.consistent_read import consistent_read
from realtime.publishing.after_commit import numbered_head

router = Router(tags=["events"])


class ExecutionDetail(ExecutionFull):
    epoch: str = Field(description="Which history of the stream `head` counts in.")
    head: int = Field(description="Go on with `after: head` on the socket: nothing is missed.")


def add_read_execution(executions: Router) -> None:
    """Adds `GET /{id}` to the router of executions. A path has all its methods in one router."""
    executions.get(
        "/{uuid:execution_id}",
        response={200: ExecutionDetail, 304: None, **errors(404)},
        summary="Read an execution",
        operation_id="read_execution",
    )(read_execution)


def read_execution(
    request: HttpRequest,
    execution_id: UUID,
    if_none_match: Annotated[
        str | None, Header(alias="If-None-Match", description="The ETag of the last answer: 304 if nothing changed.")
    ] = None,
) -> HttpResponseBase:
    """With inputs, outputs and nodes, and where its stream stands at the same moment."""
    found = find_execution(request.auth, execution_id)  # type: ignore[attr-defined]
    if found is None:
        raise not_found("Execution")
    key = streams.graph_exec(str(found.user_id), str(found.pk))
    numbered_head(key)  # numbers waiting events, and creates the stream, which is not allowed below
    with consistent_read():
        execution = find_execution(request.auth, execution_id)  # type: ignore[attr-defined]
        stream, _ = store.read_head(key)
        if execution is None or stream is None:  # deleted in between
            raise not_found("Execution")
        state = execution_detail(execution)
    body = ExecutionDetail.from_orm(SimpleNamespace(**state, epoch=stream.epoch, head=stream.head)).model_dump_json()
    etag = f'"{sha256(body.encode()).hexdigest()[:32]}"'
    response = HttpResponse(body, content_type="application/json; charset=utf-8", headers={"ETag": etag})
    response["Cache-Control"] = "private, no-cache"
    return get_conditional_response(request, etag=etag, response=response) or response


@router.get(
    "/executions/{uuid:execution_id}/events",
    response={200: EventPage, **errors(404, 409, 422)},
    summary="Read an execution's events",
    operation_id="read_execution_events",
)
def read_execution_events(
    request: HttpRequest, execution_id: UUID, after: After = 0, epoch: Epoch = None
) -> HttpResponse:
    """Those that follow `after`, complete, up to 100 a page; or refused (409) where they cannot be complete, since some
    were removed or the history is another one. Then read the execution again."""
    execution = find_execution(request.auth, execution_id)  # type: ignore[attr-defined]
    if execution is None:
        raise not_found("Execution")
    return stream_page(streams.graph_exec(str(execution.user_id), str(execution.pk)), after, epoch)


@router.get(
    "/graphs/{uuid:graph_id}/events",
    response={200: EventPage, **errors(404, 409, 422)},
    summary="Read the events of a graph's executions",
    operation_id="read_graph_events",
)
def read_graph_events(request: HttpRequest, graph_id: UUID, after: After = 0, epoch: Epoch = None) -> HttpResponse:
    """The graph events of all executions that you have of this graph; complete or refused, as for an execution."""
    graph = find_watchable_graph(request.auth, graph_id)  # type: ignore[attr-defined]
    if graph is None:
        raise not_found("Graph")
    user_id = str(request.auth.pk)  # type: ignore[attr-defined]
    return stream_page(streams.graph_execs(user_id, str(graph.pk)), after, epoch)
