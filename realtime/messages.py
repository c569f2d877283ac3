"""The wire: what a request may say, and the only place where frames are made (docs/protocol.md).

→ {"method":"subscribe_graph_execution","data":{"graph_exec_id":"E"}}
← {"method":"subscribe_graph_execution","data":null,"success":true,"channel":"U|graph_exec#E","error":null}
← {"method":"node_execution_event","data":{…},"success":null,"channel":"U|graph_exec#E","error":null}
"""

from enum import StrEnum
from typing import Annotated, Any, Final, NamedTuple

from pydantic import AfterValidator, BaseModel, Field, StrictBool, StrictInt, StrictStr, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from realtime.close_codes import POLICY_VIOLATION, SERVICE_RESTART, CloseCode
from realtime.conf import limits


class WSMethod(StrEnum):
    SUBSCRIBE_GRAPH_EXEC = "subscribe_graph_execution"
    SUBSCRIBE_GRAPH_EXECS = "subscribe_graph_executions"
    UNSUBSCRIBE = "unsubscribe"
    GRAPH_EXECUTION_EVENT = "graph_execution_event"
    NODE_EXECUTION_EVENT = "node_execution_event"
    NOTIFICATION = "notification"
    ERROR = "error"
    HEARTBEAT = "heartbeat"
    # Additions to the base protocol; who does not ask for numbers never gets one of the last four
    SUBSCRIBE_NOTIFICATIONS = "subscribe_notifications"
    SUBSCRIBE_STREAM = "subscribe_stream"
    NOTIFICATION_READ = "notification_read"
    NOTIFICATION_DELETED = "notification_deleted"
    EXECUTION_DELETED = "execution_deleted"
    NODE_EXECUTION_DELETED = "node_execution_deleted"


ENTITY_IS_OVER: Final = frozenset(
    {
        WSMethod.NOTIFICATION_DELETED,
        WSMethod.EXECUTION_DELETED,
        WSMethod.NODE_EXECUTION_DELETED,
    }
)
"""The last events of their entities: after one of them nothing more comes of the entity."""

NUMBERED_ONLY: Final = ENTITY_IS_OVER | {WSMethod.NOTIFICATION_READ}
"""Events that only subscriptions with numbers get."""


class WSMessage(BaseModel):
    """The envelope of every frame but the heartbeat's answer. Absent values are null."""

    method: WSMethod
    data: dict[str, Any] | list[Any] | str | None = None
    success: bool | None = None
    channel: str | None = None
    error: str | None = None


# Requests


def _short(text: str) -> str:
    if not 0 < len(text) <= limits.MAX_ID_LENGTH or "\0" in text:  # which PostgreSQL could not compare with
        raise ValueError(f"must have 1 to {limits.MAX_ID_LENGTH} characters, none of them U+0000")
    return text


def _snapshot_limit(number: int) -> int:
    if not 1 <= number <= limits.MAX_SNAPSHOT_LIMIT:
        raise ValueError(f"must be 1 to {limits.MAX_SNAPSHOT_LIMIT}")
    return number


Id = Annotated[StrictStr, AfterValidator(_short)]
Seq = Annotated[StrictInt, Field(ge=0, lt=2**63)]


class Replay(StrEnum):
    ALL = "all"  # every event after the cursor
    LATEST = "latest"  # the newest event of each entity
    NONE = "none"  # numbers only


class Subscribe(BaseModel):
    """What every subscribe may add: where the client was (`after`, `epoch`) and what it wants to have repeated."""

    after: Seq | None = None
    epoch: StrictStr | None = None
    replay: Replay | None = None
    limit: Annotated[StrictInt, AfterValidator(_snapshot_limit)] | None = None

    @property
    def numbered(self) -> bool:
        """Whether the client knows numbers, and so gets them."""
        return self.after is not None or self.replay is not None

    @property
    def target(self) -> BaseModel | None:
        """What an unsubscribe must say to mean the same stream; None where there is no unsubscribe."""
        return None


class GraphExecTarget(BaseModel):
    graph_exec_id: Id


class GraphExecsTarget(BaseModel):
    graph_id: Id


class StreamTarget(BaseModel):
    kind: Id
    id: Id


class SubscribeGraphExec(GraphExecTarget, Subscribe):
    @property
    def target(self) -> BaseModel:
        return GraphExecTarget(graph_exec_id=self.graph_exec_id)


class SubscribeGraphExecs(GraphExecsTarget, Subscribe):
    @property
    def target(self) -> BaseModel:
        return GraphExecsTarget(graph_id=self.graph_id)


class SubscribeStream(StreamTarget, Subscribe):
    @property
    def target(self) -> BaseModel:
        return StreamTarget(kind=self.kind, id=self.id)


class SubscribeNotifications(Subscribe):
    """Turns numbers on, whether or not it says from where."""

    @property
    def numbered(self) -> bool:
        return True


class Request(NamedTuple):
    """A client's message. `data` is of a class that REQUESTS names for the method; `id` comes back with the answer."""

    method: WSMethod
    id: str | None
    data: Any


class BadRequest(Exception):  # noqa: N818
    """A message that is answered with an error; the socket stays open."""

    def __init__(self, text: str, id: str | None = None) -> None:
        self.id = id
        super().__init__(text)


REQUESTS: Final[dict[WSMethod, TypeAdapter[Any] | None]] = {
    WSMethod.SUBSCRIBE_GRAPH_EXEC: TypeAdapter(SubscribeGraphExec),
    WSMethod.SUBSCRIBE_GRAPH_EXECS: TypeAdapter(SubscribeGraphExecs),
    WSMethod.SUBSCRIBE_NOTIFICATIONS: TypeAdapter(SubscribeNotifications),
    WSMethod.SUBSCRIBE_STREAM: TypeAdapter(SubscribeStream),
    WSMethod.UNSUBSCRIBE: TypeAdapter(GraphExecTarget | GraphExecsTarget | StreamTarget),
    WSMethod.HEARTBEAT: None,
    WSMethod.ERROR: None,
}
"""What a client may send, and the shape of its data."""

INVALID_FORMAT: Final = "Invalid message format. Review the schema and retry"
DATA_MISSING: Final = "Subscription data missing"
INVALID_DATA: Final = "Invalid message data. Refer to the API schema"
NOT_PROCESSED: Final = "Message type is not processed by the server"
NOT_FOUND: Final = {
    WSMethod.SUBSCRIBE_GRAPH_EXEC: "Graph execution not found",
    WSMethod.SUBSCRIBE_GRAPH_EXECS: "Graph not found",
    WSMethod.SUBSCRIBE_NOTIFICATIONS: "Notifications not found",
    WSMethod.SUBSCRIBE_STREAM: "Stream not found",
}
TOO_MANY_SUBSCRIPTIONS: Final = "Too many subscriptions on this connection"
INTERNAL_ERROR: Final = "Internal error"
TOO_MANY_MESSAGES: Final = "Too many messages; come back later"
TOO_MANY_CONNECTIONS: Final = "Too many connections of this user; come back later"
TOO_SLOW: Final = "This connection is read too slowly"
RESTARTING: Final = "The server restarts"


class _Envelope(WSMessage):
    success: StrictBool | None = None
    id: Id | None = None


def parse_request(text: str) -> Request:
    """A frame's text as a request. Raises BadRequest with the error's text."""
    try:
        envelope = _Envelope.model_validate(from_json(text, allow_inf_nan=False))
    except (ValueError, TypeError) as error:  # TypeError: a lone surrogate
        raise BadRequest(INVALID_FORMAT) from error
    method = envelope.method
    if method not in REQUESTS:
        raise BadRequest(NOT_PROCESSED, envelope.id)
    shape = REQUESTS[method]
    if shape is None:
        return Request(method, envelope.id, None)
    if not envelope.data and method != WSMethod.SUBSCRIBE_NOTIFICATIONS:
        raise BadRequest(DATA_MISSING, envelope.id)
    try:
        return Request(method, envelope.id, shape.validate_python(envelope.data or {}))
    except ValidationError as error:
        raise BadRequest(INVALID_DATA, envelope.id) from error


# Frames

PONG: Final = '{"method":"heartbeat","data":"pong","success":true}'


def pong_frame(id: str | None = None) -> str:
    """The answer to a heartbeat: exactly three fields, and the request's id where it had one."""
    return PONG if id is None else _with_field(PONG, "id", id)


def answer_frame(
    method: WSMethod, *, channel: str | None, data: dict[str, Any] | None = None, id: str | None = None
) -> str:
    """The answer to a request that was carried out."""
    text = WSMessage(method=method, data=data, success=True, channel=channel).model_dump_json()
    return text if id is None else _with_field(text, "id", id)


def error_frame(error: str, *, id: str | None = None) -> str:
    """The answer to a request that was refused, or the reason why the server is about to close."""
    text = WSMessage(method=WSMethod.ERROR, success=False, error=error).model_dump_json()
    return text if id is None else _with_field(text, "id", id)


LAST_FRAMES: Final = {
    POLICY_VIOLATION: error_frame(TOO_MANY_MESSAGES),
    SERVICE_RESTART: error_frame(RESTARTING),
    int(CloseCode.TOO_SLOW): error_frame(TOO_SLOW),
}
"""What the server shall send before it closes by itself, by close code."""


def event_frame(method: str, data: str, channel: str | None) -> str:
    """An event as the base protocol has it. `data` is JSON text, which goes in as it is: the result equals
    `WSMessage(method=…, data=…, channel=…).model_dump_json()` byte for byte."""
    return f'{{"method":{_json(method)},"data":{data},"success":null,"channel":{_json(channel)},"error":null}}'


def numbered(frame: str, seq: int) -> str:
    """The frame with its number as the last field."""
    return _with_field(frame, "seq", seq)


def _with_field(frame: str, name: str, value: str | int) -> str:
    return f'{frame[:-1]},"{name}":{_json(value)}}}'


def _json(value: str | int | None) -> str:
    return to_json(value).decode()
