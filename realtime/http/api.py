"""The HTTP API that needs no other app: the events of the notifications, and tokens for the socket."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from pydantic import Field

from realtime import streams
from realtime.auth.jwt import SOCKET_SCOPE, issue_token
from realtime.auth.sessions import seal
from realtime.conf import limits
from realtime.http.bearer import SocketBearer
from realtime.http.stream_events import After, Epoch, EventPage, stream_page

Errors = Callable[..., Mapping[int, Any]]
"""Gets the statuses of an operation's errors. Returns their schemas by status, for the description of the API."""


class SocketToken(Schema):
    token: str = Field(description="Offer it as the subprotocols `bearer` and TOKEN.")
    expires_at: datetime


def make_router(errors: Errors = lambda *statuses: {}) -> Router:
    """The router of the operations, for a NinjaAPI whose `auth` returns the user. `errors` gives the schemas of errors;
    without it they are not described."""
    router = Router()
    router.get(
        "/notifications/events",
        response={200: EventPage, **errors(409, 422)},
        summary="Read your notifications' events",
        operation_id="read_notification_events",
        tags=["events"],
    )(read_notification_events)
    router.post(
        "/socket-token",
        response={200: SocketToken, **errors(403)},
        summary="Get a token for the socket",
        operation_id="get_socket_token",
        tags=["socket"],
    )(get_socket_token)
    router.post(
        "/socket-token/refresh",
        response={200: SocketToken, **errors()},
        auth=SocketBearer(),
        summary="Renew the token for the socket",
        operation_id="refresh_socket_token",
        tags=["socket"],
    )(refresh_socket_token)
    return router


def read_notification_events(request: HttpRequest, after: After = 0, epoch: Epoch = None) -> HttpResponse:
    """What you were told and what you have read, in order; complete or refused, as for an execution."""
    return stream_page(streams.notifications(str(request.auth.pk)), after, epoch)  # type: ignore[attr-defined]


def get_socket_token(request: HttpRequest) -> Any:
    """Opens sockets as you for five minutes, and does nothing else. For pages of another origin, which have no cookie
    to show there. It ends with your session, and so do its sockets."""
    return _socket_token(request.auth, None, _session_of(request))  # type: ignore[attr-defined]


def refresh_socket_token(request: HttpRequest) -> Any:
    """Send the token that you have, while it is valid, as `Authorization: Bearer TOKEN`. That works for twelve hours
    after the first one was got, unless its session has ended."""
    claims = request.claims  # type: ignore[attr-defined]
    return _socket_token(request.auth, claims["auth_time"], claims.get("session"))  # type: ignore[attr-defined]


def _session_of(request: HttpRequest) -> str | None:
    """The sealed key of the session by which the request is the user's; None if it is by a token."""
    session = getattr(request, "session", None)
    if "Authorization" in request.headers or session is None or session.session_key is None:
        return None
    return seal(session.session_key)


def _socket_token(user: Any, auth_time: int | None, session: str | None) -> dict[str, Any]:
    lifetime = timedelta(seconds=limits.SOCKET_TOKEN_LIFETIME)
    token = issue_token(user.pk, lifetime, scope=SOCKET_SCOPE, auth_time=auth_time, session=session)
    return {"token": token, "expires_at": datetime.now(UTC) + lifetime}
