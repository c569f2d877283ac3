"""Builds all frames (docs/protocol.md). No other module builds one."""

from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import to_json

from realtime.wire.close_codes import POLICY_VIOLATION, SERVICE_RESTART, CloseCode
from realtime.wire.methods import WSMethod


class WSMessage(BaseModel):
    """The fields of every frame except the answer to a heartbeat. A field without a value is null."""

    method: WSMethod
    data: dict[str, Any] | list[Any] | str | None = None
    success: bool | None = None
    channel: str | None = None
    error: str | None = None


RequestId = str | int | float
"""What a client may call a request. Answers and errors repeat it."""

TOO_MANY_MESSAGES: Final = "Too many messages; come back later"
TOO_MANY_CONNECTIONS: Final = "Too many connections of this user; come back later"
TOO_MANY_GUESTS: Final = "Too many connections of this link; come back later"
TOO_SLOW: Final = "This connection is read too slowly"
RESTARTING: Final = "The server restarts"

PONG: Final = '{"method":"heartbeat","data":"pong","success":true}'


def pong_frame(id: RequestId | None = None) -> str:
    """The answer to a heartbeat: exactly three fields, and the id of the request if it had one."""
    return PONG if id is None else with_id(PONG, id)


def answer_frame(
    method: WSMethod, *, channel: str | None, data: dict[str, Any] | None = None, id: RequestId | None = None
) -> str:
    """The answer to a successful request."""
    text = WSMessage(method=method, data=data, success=True, channel=channel).model_dump_json()
    return text if id is None else with_id(text, id)


def subscribed_frame(
    method: WSMethod,
    *,
    channel: str | None,
    epoch: str,
    head: int,
    recovered: bool,
    truncated: bool,
    id: RequestId | None = None,
) -> str:
    """The answer to a subscribe of a client that knows numbers."""
    data: dict[str, object] = {"epoch": epoch, "head": head, "recovered": recovered}
    if truncated:
        data["truncated"] = True
    return answer_frame(method, channel=channel, data=data, id=id)


def error_frame(error: str, *, channel: str | None = None, id: RequestId | None = None) -> str:
    """The answer to a refused request, the end of a stream, or the reason why the server is about to close. `channel`
    is the stream that the error is about; only clients that know numbers get it."""
    text = WSMessage(method=WSMethod.ERROR, success=False, channel=channel, error=error).model_dump_json()
    return text if id is None else with_id(text, id)


LAST_FRAMES: Final = {
    POLICY_VIOLATION: error_frame(TOO_MANY_MESSAGES),
    SERVICE_RESTART: error_frame(RESTARTING),
    int(CloseCode.TOO_SLOW): error_frame(TOO_SLOW),
}
"""The frame that the server sends before it closes a socket with this code."""


def event_frame(method: str, data: str, channel: str | None) -> str:
    """An event's frame in the base protocol. `data` is JSON text, which is not parsed. The result is the same text as
    `WSMessage(method=…, data=…, channel=…).model_dump_json()`."""
    return f'{{"method":{_json(method)},"data":{data},"success":null,"channel":{_json(channel)},"error":null}}'


def with_seq(frame: str, seq: int) -> str:
    """The frame with the event's number as its last field."""
    return _with_field(frame, "seq", seq)


def with_id(frame: str, id: RequestId) -> str:
    """The frame with an id as its last field: that of the request that it answers, or that of a notification."""
    return _with_field(frame, "id", id)


def _with_field(frame: str, name: str, value: str | int | float) -> str:
    return f'{frame[:-1]},"{name}":{_json(value)}}}'


def _json(value: str | int | float | None) -> str:
    return to_json(value).decode()
