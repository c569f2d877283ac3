"""An error that is the answer to an HTTP request."""

from collections.abc import Mapping

from ninja.errors import HttpError


class HttpProblem(HttpError):  # noqa: N818 - it becomes an answer
    """An answer that is an error. Ninja itself sends the status and the message. An API whose errors have more fields
    can also send `code` (for programs), `path` (the field in question), `hint` (what to do) and `headers`."""

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
        super().__init__(status, message)
        self.code, self.path, self.hint, self.headers = code, path, hint, dict(headers or {})
