"""What goes wrong with a request over HTTP."""

from collections.abc import Mapping

from ninja.errors import HttpError


class HttpProblem(HttpError):  # noqa: N818 - it becomes an answer
    """An answer that is an error. Ninja answers with the status and the message; an API whose errors have more fields
    finds a code for programs, the field it is about, what to do, and headers beside them."""

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
