"""What HTTP tells of the streams: where one stands together with the state that it leads to, its history, and a token
for the socket.

A page reads an execution, and goes on with `{"after": head, "epoch": epoch}` on the socket, without a gap. Why there is
none: an event has a number only once its change is committed, so what the head counts is in the state that the same
moment shows. An event that is committed and not yet numbered comes after the head, and is sent although the state shows
it already; a state twice does no harm.
"""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from types import SimpleNamespace
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from ninja import Header, Router, Schema
from pydantic import ConfigDict, Field
from pydantic_core import to_json

from executions.access import find_execution, find_graph
from executions.api import executions
from executions.api.errors import Problem, errors, not_found
from executions.api.schemas import ExecutionFull, full
from realtime import streams
from realtime.auth.jwt import SOCKET_SCOPE, issue_token
from realtime.bearer import SocketBearer
from realtime.conf import limits
from realtime.log import replay, store
from realtime.log.consistent_read import one_moment
from realtime.publishing.after_commit import open_stream
from realtime.subscription.start_position import FromCursor, beginning
from realtime.wire.requests import Replay, Subscribe

MAX_SEQ = 2**63 - 1
After = Annotated[int, Field(ge=0, le=MAX_SEQ, description="The last seq that you have; 0 for the whole history.")]
Epoch = Annotated[str | None, Field(max_length=32, description="The epoch that you had it with.")]

router = Router()


class ExecutionDetail(ExecutionFull):
    epoch: str = Field(description="Which history of the stream `head` counts in.")
    head: int = Field(description="Go on with `after: head` on the socket: nothing is missed.")


class EventOut(Schema):
    seq: int
    method: str = Field(description="As on the socket: `graph_execution_event`, `node_execution_event` …")
    data: Any


class EventPage(Schema):
    """A page of a stream, complete from `after` on."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "epoch": "k3Jx0cE1q6RrYb2W",
                    "head": 42,
                    "floor": 0,
                    "events": [{"seq": 42, "method": "graph_execution_event", "data": {"status": "COMPLETED"}}],
                }
            ]
        }
    )

    epoch: str
    head: int = Field(description="The last seq of the stream; ask again while it is above the last one that you got.")
    floor: int = Field(description="Events up to this seq may have been removed.")
    events: list[EventOut] = Field(description="In the order of `seq`, without holes.")


class SocketToken(Schema):
    token: str = Field(description="Offer it as the subprotocols `bearer` and TOKEN.")
    expires_at: datetime


# On the executions' own router, since a path has its methods in one place.
@executions.router.get(
    "/{uuid:execution_id}",
    response={200: ExecutionDetail, 304: None, **errors(404)},
    summary="Read an execution",
    operation_id="read_execution",
)
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
    open_stream(key)  # numbers what waits, so that the head is near; it makes the stream, which a reader could not
    with one_moment():
        execution = find_execution(request.auth, execution_id)  # type: ignore[attr-defined]
        stream, _ = store.look_up(key)
        if execution is None or stream is None:  # deleted since
            raise not_found("Execution")
        state = full(execution)
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
    tags=["events"],
)
def read_execution_events(
    request: HttpRequest, execution_id: UUID, after: After = 0, epoch: Epoch = None
) -> HttpResponse:
    """Those that follow `after`, complete, up to 100 a page; or refused (409) where they cannot be complete, since some
    were removed or the history is another one. Then read the execution again."""
    execution = find_execution(request.auth, execution_id)  # type: ignore[attr-defined]
    if execution is None:
        raise not_found("Execution")
    return _events(streams.graph_exec(str(execution.user_id), str(execution.pk)), after, epoch)


@router.get(
    "/graphs/{uuid:graph_id}/events",
    response={200: EventPage, **errors(404, 409, 422)},
    summary="Read the events of a graph's executions",
    operation_id="read_graph_events",
    tags=["events"],
)
def read_graph_events(request: HttpRequest, graph_id: UUID, after: After = 0, epoch: Epoch = None) -> HttpResponse:
    """The graph events of all executions that you have of this graph; complete or refused, as for an execution."""
    graph = find_graph(request.auth, graph_id)  # type: ignore[attr-defined]
    if graph is None:
        raise not_found("Graph")
    return _events(streams.graph_execs(str(request.auth.pk), str(graph.pk)), after, epoch)  # type: ignore[attr-defined]


@router.get(
    "/notifications/events",
    response={200: EventPage, **errors(409, 422)},
    summary="Read your notifications' events",
    operation_id="read_notification_events",
    tags=["events"],
)
def read_notification_events(request: HttpRequest, after: After = 0, epoch: Epoch = None) -> HttpResponse:
    """What you were told and what you have read, in order; complete or refused, as for an execution."""
    return _events(streams.notifications(str(request.auth.pk)), after, epoch)  # type: ignore[attr-defined]


@router.post(
    "/socket-token",
    response={200: SocketToken, **errors(403)},
    summary="Get a token for the socket",
    operation_id="get_socket_token",
    tags=["socket"],
)
def get_socket_token(request: HttpRequest) -> Any:
    """Opens sockets as you for five minutes, and does nothing else. For pages of another origin, which have no cookie
    to show there."""
    return _socket_token(request.auth, None)  # type: ignore[attr-defined]


@router.post(
    "/socket-token/refresh",
    response={200: SocketToken, **errors()},
    auth=SocketBearer(),
    summary="Renew the token for the socket",
    operation_id="refresh_socket_token",
    tags=["socket"],
)
def refresh_socket_token(request: HttpRequest) -> Any:
    """Send the token that you have, while it is valid, as `Authorization: Bearer TOKEN`. That works for twelve hours
    after the first one was got."""
    return _socket_token(request.auth, request.auth_time)  # type: ignore[attr-defined]


def _socket_token(user: Any, auth_time: int | None) -> dict[str, Any]:
    lifetime = timedelta(seconds=limits.SOCKET_TOKEN_LIFETIME)
    token = issue_token(user.pk, lifetime, scope=SOCKET_SCOPE, auth_time=auth_time)
    return {"token": token, "expires_at": datetime.now(UTC) + lifetime}


def _events(key: str, after: int, epoch: str | None) -> HttpResponse:
    """The data goes out as the log holds it, without being parsed."""
    page = replay.read_after(open_stream(key).id, after)
    if page is None:
        raise not_found("Stream")
    wish = Subscribe(after=after, epoch=epoch, replay=Replay.ALL)
    if not isinstance(beginning(wish, page), FromCursor):
        raise Problem(
            409,
            "not_recoverable",
            f"What follows {after} cannot be told completely: the history holds {page.floor + 1} to {page.head}, "
            f"epoch {page.epoch}.",
            path="after",
            hint="Read the state again, and go on with its head and epoch.",
        )
    events = ",".join(
        f'{{"seq":{event.seq},"method":{_json(event.method)},"data":{event.data}}}' for event in page.events
    )
    head = f'{{"epoch":{_json(page.epoch)},"head":{page.head},"floor":{page.floor},"events":[{events}]}}'
    return HttpResponse(head, content_type="application/json; charset=utf-8")


def _json(text: str) -> str:
    return to_json(text).decode()
