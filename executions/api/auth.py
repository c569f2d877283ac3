"""Authentication: a session cookie of a person, or a token of a worker. `realtime.http.bearer` reads the bearer tokens
of people, because realtime issues them."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja.security import APIKeyCookie, HttpBearer
from ninja.utils import check_csrf

from executions.api.errors import Problem, unauthorized
from executions.api.worker_tokens import find_token
from executions.models import WorkerToken


class SessionCookie(APIKeyCookie):
    """The session cookie of a person who is logged in. Unsafe methods also need the header `X-CSRFToken`."""

    param_name = settings.SESSION_COOKIE_NAME

    def __call__(self, request: HttpRequest) -> Any:
        # A quoted cookie may hold U+0000, with which PostgreSQL cannot compare.
        if "\0" in request.COOKIES.get(self.param_name, "") or not request.user.is_authenticated:
            return None
        if check_csrf(request):
            raise Problem(
                403,
                "csrf_failed",
                "The request does not prove that it comes from a page of this site.",
                hint="Send the value of the cookie csrftoken as the header X-CSRFToken.",
            )
        return request.user

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        return None  # __call__ does the work


class WorkerBearer(HttpBearer):
    """A token of a worker, made by `manage.py tokens create`."""

    def authenticate(self, request: HttpRequest, token: str) -> WorkerToken:
        found = find_token(token)
        if found is None:
            raise unauthorized(
                "This is not a valid worker's token: it is unknown, expired or revoked.",
                "Make one with `manage.py tokens create NAME`. A user's token does not report work.",
            )
        return found
