"""Error answers of the API, all in one shape:

    {"code": "invalid", "message": "links[2].sink_id: there is no node \"x\"", "path": "links[2].sink_id", "hint": "…"}

`code` is for programs and never changes its meaning. `message` and `hint` are for people. `path` is the field with the
error, or null. `as_problem` maps exceptions to answers. `middleware.py` gives this shape to Django's own error answers
below `/api/`.
"""

from collections.abc import Mapping
from traceback import clear_frames
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError
from ninja.errors import ValidationError as NinjaValidationError
from pydantic import ConfigDict, Field

from executions.record_caps import TooMuchRecorded
from executions.services import ExecutionHasEnded, NodeHasEnded, NodeMismatch, QueueIsFull, UnknownNode
from executions.sharing import ShareTokenTaken, WrongEnd
from executions.statuses import IllegalTransition
from executions.storable import UnstorableValue
from executions.validation import MAX_ERRORS, first, path, plain_message

READ_AGAIN = "Read the execution again: somebody else may have changed it."
SEE_DOCS = "Compare the request with /api/docs."


class Error(Schema):
    """What every answer from 400 on looks like."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "code": "invalid",
                    "message": 'links[0].sink_id: there is no node "rank"',
                    "path": "links[0].sink_id",
                    "hint": SEE_DOCS,
                }
            ]
        }
    )

    code: str = Field(description="For programs: what went wrong. Never changes its meaning.")
    message: str = Field(description="For people: what went wrong.")
    path: str | None = Field(description="The field it is about, as in `links[2].sink_id`; null where it is none.")
    hint: str | None = Field(description="What to do about it.")


class Problem(Exception):  # noqa: N818 - it becomes an answer
    """An error that becomes an HTTP answer."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        path: str | None = None,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.path, self.hint = status, code, message, path, hint
        self.headers = dict(headers or {})

    def with_prefix(self, prefix: str) -> "Problem":
        """The same error with a longer path: the prefix `reports[3]` and the path `status` make `reports[3].status`."""
        where = f"{prefix}.{self.path}" if self.path else prefix
        return Problem(self.status, self.code, self.message, path=where, hint=self.hint, headers=self.headers)

    def response(self) -> HttpResponse:
        body = {"code": self.code, "message": self.message, "path": self.path, "hint": self.hint}
        return JsonResponse(body, status=self.status, headers=self.headers)


def errors(*statuses: int) -> dict[int, type[Error]]:
    """The error answers for `response=` of an operation. Adds 400, 401, 413 and 429, which every operation may give."""
    return dict.fromkeys(sorted({400, 401, 413, 429, *statuses}), Error)


def not_found(what: str, path: str | None = None) -> Problem:
    """The answer is the same for an object that does not exist and for an object of another user."""
    return Problem(404, "not_found", f"{what} not found", path=path, hint="Check the id, and whose it is.")


def forbidden(message: str) -> Problem:
    return Problem(403, "forbidden", message, hint="Ask its owner, or an administrator for the permission.")


def invalid(message: str, path: str | None = None, hint: str = SEE_DOCS) -> Problem:
    return Problem(422, "invalid", message, path=path, hint=hint)


def unauthorized(message: str, hint: str) -> Problem:
    return Problem(401, "unauthorized", message, hint=hint, headers={"WWW-Authenticate": "Bearer"})


def too_large(limit: int) -> Problem:
    return Problem(413, "too_large", f"The body is above {limit:,} bytes.", hint="Send it in parts.")


def as_problem(error: Exception) -> Problem | None:
    """The answer for an exception. None for an exception that is a fault of the server."""
    match error:
        case Problem():
            return error
        case HttpError():
            return _from_http_error(error)
        case IllegalTransition():
            return Problem(409, "illegal_transition", str(error), path="status", hint=READ_AGAIN)
        case ExecutionHasEnded():
            return Problem(409, "execution_has_ended", str(error), hint="Stop reporting it.")
        case NodeHasEnded():
            return Problem(409, "node_has_ended", str(error), hint="Append before the node ends.")
        case QueueIsFull():
            return Problem(
                429,
                "queue_full",
                str(error),
                hint="Wait until some of the waiting executions have started, or terminate some.",
                headers={"Retry-After": str(error.retry_after)},
            )
        case ShareTokenTaken():
            return Problem(409, "share_token_taken", str(error), path="share_token", hint="Leave it out.")
        case WrongEnd():  # it was right when the body was parsed
            return invalid(str(error))
        case TooMuchRecorded():
            return Problem(
                429,
                "too_much_recorded",
                str(error),
                hint="Send it again later, or less of it: each report of a node records all its outputs.",
                headers={"Retry-After": str(error.retry_after)},
            )
        case UnknownNode():
            return not_found("Node", "node_id")
        case NodeMismatch():
            return invalid(str(error), "node_exec_id", "Give each execution of a node an id of its own.")
        case UnstorableValue():
            return Problem(422, "unstorable", str(error), path=_leading_path(str(error)), hint="Leave it out.")
        case NinjaValidationError():
            return _from_validation_error(error)
        case ValidationError():
            return invalid("; ".join(error.messages), next(iter(getattr(error, "error_dict", {})), None))
        case Http404():
            return not_found("This")
        case RequestDataTooBig():
            return Problem(413, "too_large", "The request is too large.", hint="Send it in parts.")
        case SuspiciousOperation():
            return Problem(400, "bad_request", "The request cannot be read.", hint=SEE_DOCS)
    return None


def install(api: NinjaAPI) -> None:
    """Registers a handler for each exception that `as_problem` maps."""
    for kind in (
        *(
            Problem,
            HttpError,
            IllegalTransition,
            ExecutionHasEnded,
            NodeHasEnded,
            UnknownNode,
            NodeMismatch,
            QueueIsFull,
            ShareTokenTaken,
            TooMuchRecorded,
            WrongEnd,
        ),
        *(UnstorableValue, NinjaValidationError, ValidationError, Http404, SuspiciousOperation),
    ):
        api.add_exception_handler(kind, _answer)


def _answer(request: HttpRequest, error: Any) -> HttpResponse:
    problem = as_problem(error)
    if problem is None:
        raise error
    # The frames of an invalid request refer to the error and to the parsed body. Without this, both would stay in
    # memory until the garbage collector runs.
    clear_frames(error.__traceback__)
    return problem.response()


def _from_http_error(error: HttpError) -> Problem:
    if isinstance(error.__cause__, Problem):  # raised by our parser; Ninja wraps it
        return error.__cause__
    if isinstance(error.__cause__, Exception) and (problem := as_problem(error.__cause__)):
        return problem
    if isinstance(error, AuthenticationError):
        return unauthorized("Authentication required", "Send a session cookie, or Authorization: Bearer TOKEN.")
    # An error class of another app may have more attributes than Ninja's.
    return Problem(
        error.status_code,
        getattr(error, "code", "bad_request"),
        str(error),
        path=getattr(error, "path", None),
        hint=getattr(error, "hint", SEE_DOCS),
        headers=getattr(error, "headers", None),
    )


def _from_validation_error(error: NinjaValidationError) -> Problem:
    if all(each["loc"][0] == "path" for each in error.errors):
        return not_found("This")  # the path holds no valid id
    # `loc` is ("body", parameter, field …) for a body, else (source, field …).
    sentences, first_path = [], None
    for each in error.errors[:MAX_ERRORS]:
        where = path(tuple(each["loc"])[2 if each["loc"][0] == "body" else 1 :])
        first_path = first_path if first_path is not None else where
        message = plain_message(each)
        sentences.append(f"{where}: {message}" if where else message)
    return invalid("; ".join(first(sentences, len(error.errors))), first_path or None)


def _leading_path(message: str) -> str | None:
    where = message.removeprefix("a key of ").split(" ", 1)[0]
    return where or None
