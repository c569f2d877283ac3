"""A middleware that records when a session is used, at most once a minute, and puts off its idle timeout."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from executions.web import sessions


def note_activity(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    def middleware(request: HttpRequest) -> HttpResponseBase:
        key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
        # A quoted cookie may hold U+0000, with which PostgreSQL cannot compare.
        if key and "\0" not in key and sessions.is_due(key) and request.user.is_authenticated:
            sessions.note(request, request.user)
        return get_response(request)

    return middleware
