"""Releases what a request has sent, once its response is made.

Each request of Django is part of reference cycles (its messages refer to it, and it to them). So it stays in memory
until the garbage collector runs, which is seldom in a server with many sockets. The request itself is small. Its body,
its form and its files may have megabytes.
"""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

_LARGE = ("_body", "_post", "_files")  # where Django keeps them


class ReleaseBody:
    """The outermost middleware. After it, `body`, `POST` and `FILES` of the request are gone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        request.close()  # its files; Django closes them with the response, but would no longer find them
        for name in _LARGE:
            value = request.__dict__.pop(name, None)
            if isinstance(value, dict):
                dict.clear(value)  # a form has it as its data, and is part of cycles, too
        return response
