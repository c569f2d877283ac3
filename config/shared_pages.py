"""How often one address may read shared pages. Strangers may read them, so there is no user to charge."""

from collections.abc import Callable
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from config.logins import address_of, refusal
from realtime.budgets import Budget, OverBudget

READS: Final = Budget("SHARED_READS", "API_WINDOW", "readings of shared pages from your address", "throttled_shares")
PAGES: Final = frozenset({"shared-page", "shared-results"})
"""The names of their routes."""


class SharedPages:
    """A middleware. Answers 429 beyond the budget, before a page reads anything."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        match, address = request.resolver_match, address_of(request)
        if match is None or match.url_name not in PAGES or not address:
            return None
        try:
            READS.spend(address)
        except OverBudget as error:
            return refusal(request, error, "executions/shared_throttled.html")
        return None
