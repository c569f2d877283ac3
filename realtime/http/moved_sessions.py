"""A middleware for sockets that stay open when their browser gets another session key, as after a new password.

Put it before Django's SessionMiddleware. Without it such sockets are closed with 4001, and a client with the new cookie
comes back at once.
"""

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from realtime.auth.sessions import digest, seal
from realtime.publishing import announcer


def follow_moved_sessions(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    def follow(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        old, session = request.COOKIES.get(settings.SESSION_COOKIE_NAME), getattr(request, "session", None)
        if old and session is not None and session.session_key not in (None, old) and SESSION_KEY in session:
            fields = {"user": session[SESSION_KEY], "old": digest(old), "new": seal(session.session_key)}
            announcer.announce_access(announcer.SESSION_MOVED, **fields)
        return response

    return follow
