"""Gives Django's own error answers below `/api/` the shape of `errors.py` instead of an HTML page: an unknown path, a
method that is not allowed, a foreign host, a fault of the server."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from executions.api.errors import SEE_DOCS, Problem

PREFIX = "/api/"

_PROBLEMS = {
    403: ("forbidden", "This is not allowed.", "Send the X-CSRFToken header with a session cookie."),
    404: ("not_found", "There is no such path.", SEE_DOCS),
    405: ("method_not_allowed", "This path does not take this method.", "The header Allow names those that it takes."),
    413: ("too_large", "The request is too large.", "Send it in parts."),
}


class ApiErrors:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        is_ours = response.get("Content-Type", "").startswith("application/json")
        if response.status_code < 400 or is_ours or not request.path_info.startswith(PREFIX):
            return response
        if response.status_code >= 500:
            code, message, hint = "internal_error", "The server failed.", "Try again later; its log says why."
        else:
            default = ("bad_request", "The request cannot be answered.", SEE_DOCS)
            code, message, hint = _PROBLEMS.get(response.status_code, default)
        answer = Problem(response.status_code, code, message, hint=hint).response()
        for name, value in response.items():
            if name not in ("Content-Type", "Content-Length"):
                answer[name] = value
        answer.cookies = response.cookies
        return answer
