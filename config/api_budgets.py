"""How many requests a user or a worker's token may send to the HTTP API. Ninja asks after the authentication, and
before it parses the body."""

import re
from typing import Final

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import Throttled
from ninja.throttling import BaseThrottle

from executions.api.errors import Problem
from executions.models import WorkerToken
from realtime.budgets import Budget, OverBudget


def _budget(limit: str, what: str, counter: str = "throttled_requests") -> Budget:
    return Budget(limit, "API_WINDOW", what, counter)


USER_READS = _budget("USER_READS", "reading requests of a user")
USER_WRITES = _budget("USER_WRITES", "changing requests of a user")
USER_STARTS = _budget("USER_STARTS", "graphs and runs of a user")
WORKER_READS = _budget("WORKER_READS", "reading requests of a worker")
WORKER_WRITES = _budget("WORKER_WRITES", "reports of a worker")
WORKER_STARTS = _budget("WORKER_STARTS", "runs of a worker")
SOCKET_TOKENS = _budget("SOCKET_TOKENS", "tokens for sockets of a user", "throttled_tokens")

READING: Final = ("GET", "HEAD", "OPTIONS")
SPECIAL: Final = {
    ("POST", "graphs"): USER_STARTS,
    ("PUT", "graphs/*"): USER_STARTS,
    ("POST", "executions"): USER_STARTS,
    ("POST", "executions/*/rerun"): USER_STARTS,
    ("POST", "worker/executions"): WORKER_STARTS,
    ("POST", "socket-token"): SOCKET_TOKENS,
    ("POST", "socket-token/refresh"): SOCKET_TOKENS,
}
"""The operations with a budget of their own, by method and path below `/api/`; `*` is an id."""


_PARAMETER: Final = re.compile("<[^<>]*>")


class ApiBudgets(BaseThrottle):
    """Charges each request to the budget of its kind."""

    def allow_request(self, request: HttpRequest) -> bool:
        auth = request.auth  # type: ignore[attr-defined]
        try:
            budget_of(request).spend(auth.pk)
        except OverBudget as error:
            request.over_budget = error  # type: ignore[attr-defined] # for the answer
            return False
        return True


def budget_of(request: HttpRequest) -> Budget:
    """The budget of an authenticated request."""
    match = request.resolver_match
    special = SPECIAL.get((request.method or "", path_of(match.route))) if match else None
    is_worker = isinstance(request.auth, WorkerToken)  # type: ignore[attr-defined]
    if special is not None:
        return special
    if request.method in READING:
        return WORKER_READS if is_worker else USER_READS
    return WORKER_WRITES if is_worker else USER_WRITES


def path_of(route: str) -> str:
    """The path of a route of Django, as SPECIAL has it."""
    return _PARAMETER.sub("*", route).removeprefix("api/")


def install(api: NinjaAPI) -> None:
    """Answers a refused request in the shape of the API's errors."""

    @api.exception_handler(Throttled)
    def on_throttled(request: HttpRequest, error: Throttled) -> HttpResponse:
        return as_problem(request.over_budget).response()  # type: ignore[attr-defined]


def as_problem(error: OverBudget) -> Problem:
    return Problem(
        429,
        "throttled",
        str(error),
        hint=f"Wait {error.retry_after} seconds, or send more in one request.",
        headers={"Retry-After": str(error.retry_after)},
    )
