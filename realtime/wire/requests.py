"""Parses the requests of clients, and has the texts with which they are refused (docs/protocol.md).

→ {"method":"subscribe_graph_execution","data":{"graph_exec_id":"E"}}
← {"method":"subscribe_graph_execution","data":null,"success":true,"channel":"U|graph_exec#E","error":null}
← {"method":"node_execution_event","data":{…},"success":null,"channel":"U|graph_exec#E","error":null}
"""

from enum import StrEnum
from typing import Annotated, Any, Final, Literal, NamedTuple
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StrictFloat, StrictInt, StrictStr, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from realtime.conf import limits
from realtime.wire.frames import RequestId, WSMessage
from realtime.wire.methods import WSMethod


def _check_id(text: str) -> str:
    if not 0 < len(text) <= limits.MAX_ID_LENGTH or "\0" in text:  # PostgreSQL refuses U+0000 in a parameter
        raise ValueError(f"must have 1 to {limits.MAX_ID_LENGTH} characters, none of them U+0000")
    return text


def _usual_spelling(id: str) -> str:
    """A UUID as it is usually written, however it is spelled. Other ids stay as they are."""
    try:
        return str(UUID(id))
    except ValueError:
        return id


def _check_number(number: int | float) -> int | float:
    if len(to_json(number)) > limits.MAX_ID_LENGTH:
        raise ValueError(f"must have at most {limits.MAX_ID_LENGTH} digits")
    return number


def _check_limit(number: int) -> int:
    if not 1 <= number <= limits.MAX_SNAPSHOT_LIMIT:
        raise ValueError(f"must be 1 to {limits.MAX_SNAPSHOT_LIMIT}")
    return number


Id = Annotated[StrictStr, AfterValidator(_check_id)]
RowId = Annotated[Id, AfterValidator(_usual_spelling)]
_Number = Annotated[
    StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)],
    AfterValidator(_check_number),
]
Seq = Annotated[StrictInt, Field(ge=0, lt=2**63)]


class Replay(StrEnum):
    """Which past events a subscribe asks for."""

    ALL = "all"  # every event after the cursor
    LATEST = "latest"  # the newest event of each entity
    NONE = "none"  # no past events; new ones have numbers


class Subscribe(BaseModel):
    """The options of every subscribe."""

    after: Seq | None = None  # the client's cursor: the last number that it has
    epoch: StrictStr | None = None  # the epoch in which it got that number
    replay: Replay | None = None
    limit: Annotated[StrictInt, AfterValidator(_check_limit)] | None = None  # of entities in a snapshot

    @property
    def numbered(self) -> bool:
        """Whether the client knows numbers and gets them."""
        return self.after is not None or self.replay is not None

    @property
    def target(self) -> BaseModel | None:
        """The data of an unsubscribe from the same stream, or None if there is no unsubscribe for it."""
        return None


class GraphExecTarget(BaseModel):
    graph_exec_id: RowId


class GraphExecsTarget(BaseModel):
    graph_id: RowId


class StreamTarget(BaseModel):
    kind: Id
    id: Id


class NotificationsTarget(BaseModel):
    notifications: Literal[True]


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


class Notifications(Subscribe):
    """What every socket gets without a subscribe."""

    @property
    def target(self) -> BaseModel:
        return NotificationsTarget(notifications=True)


class SubscribeNotifications(Notifications):
    """Turns numbers on, with or without a cursor."""

    @property
    def numbered(self) -> bool:
        return True


class Request(NamedTuple):
    """A client's message."""

    method: WSMethod
    id: RequestId | None  # repeated in the answer
    data: Any  # of the class that REQUESTS names for the method


class BadRequest(Exception):  # noqa: N818
    """A message that is answered with an error frame of this text. The socket stays open."""

    def __init__(self, text: str, id: RequestId | None = None) -> None:
        self.id = id
        super().__init__(text)


REQUESTS: Final[dict[WSMethod, TypeAdapter[Any] | None]] = {
    WSMethod.SUBSCRIBE_GRAPH_EXEC: TypeAdapter(SubscribeGraphExec),
    WSMethod.SUBSCRIBE_GRAPH_EXECS: TypeAdapter(SubscribeGraphExecs),
    WSMethod.SUBSCRIBE_NOTIFICATIONS: TypeAdapter(SubscribeNotifications),
    WSMethod.SUBSCRIBE_STREAM: TypeAdapter(SubscribeStream),
    WSMethod.UNSUBSCRIBE: TypeAdapter(GraphExecTarget | GraphExecsTarget | StreamTarget | NotificationsTarget),
    WSMethod.HEARTBEAT: None,
    WSMethod.ERROR: None,
}
"""The methods that a client may send, and the class of their data; None where the data is ignored."""

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
ACCESS_REVOKED: Final = {
    WSMethod.SUBSCRIBE_GRAPH_EXEC: "Execution subscription access was revoked",
    WSMethod.SUBSCRIBE_GRAPH_EXECS: "Graph subscription access was revoked",
    WSMethod.SUBSCRIBE_NOTIFICATIONS: "Notification subscription access was revoked",
    WSMethod.SUBSCRIBE_STREAM: "Stream subscription access was revoked",
}
TOO_MANY_SUBSCRIPTIONS: Final = "Too many subscriptions on this connection"
INTERNAL_ERROR: Final = "Internal error"


class _WithId(BaseModel):
    id: Id | _Number | None = None


class _Envelope(WSMessage, _WithId):
    pass


def parse_request(text: str) -> Request:
    """The request in the text of a frame. Raises BadRequest with the text of the error frame."""
    message: Any = None
    # Before parsing. Each value but the first follows one of these signs. Those in a string count, too.
    if text.count(",") + text.count("[") + text.count("{") > limits.MAX_MESSAGE_VALUES:
        raise BadRequest(INVALID_FORMAT)
    try:
        message = from_json(text)
        envelope = _Envelope.model_validate(message)
    except (ValueError, TypeError) as error:  # pydantic raises TypeError for a lone surrogate
        raise BadRequest(INVALID_FORMAT, _read_id(message)) from error
    method = envelope.method
    if method not in REQUESTS:
        raise BadRequest(NOT_PROCESSED, envelope.id)
    adapter = REQUESTS[method]
    if adapter is None:
        return Request(method, envelope.id, None)
    if not envelope.data and method != WSMethod.SUBSCRIBE_NOTIFICATIONS:
        raise BadRequest(DATA_MISSING, envelope.id)
    try:
        return Request(method, envelope.id, adapter.validate_python(envelope.data or {}))
    except ValidationError as error:
        raise BadRequest(INVALID_DATA, envelope.id) from error


def _read_id(message: Any) -> RequestId | None:
    """The id of a message that is wrong otherwise. None if it has none that could be repeated."""
    try:
        return _WithId.model_validate(message).id
    except ValidationError:
        return None


def request_for(method: WSMethod, target: BaseModel | None) -> Request:
    """A subscribe with this method for this target, without options."""
    adapter = REQUESTS[method]
    data = target.model_dump() if target else {}
    return Request(method, None, adapter.validate_python(data) if adapter else None)
