"""Passwords cannot be guessed at speed: failed logins are counted, and beyond a limit no password is checked.

Three budgets, all of LOGIN_WINDOW seconds:

- of one account from one address (LOGIN_FAILURES): the first that an attacker meets, and it hinders nobody else;
- of one address, with any accounts (LOGIN_ADDRESS_FAILURES): against one address that tries many accounts. A login that
  succeeds does not reset it;
- of one account from all addresses (LOGIN_ACCOUNT_FAILURES): against many addresses. It does not hold for an address
  from which the account has logged in lately. So its owner is not locked out by others.

It holds for each check of a password: `FailedLogins` is the first authentication backend. It knows only the name that
was sent, and neither whether there is such an account nor whether the password is right: the answer and the work are
the same. Logins at the same moment may pass a limit by their number.

The address is the one that the server has found: the peer's, or the one of a trusted proxy (`--proxy-headers`).
Loopback addresses have no budget of an address, since a proxy may put all clients behind one.
"""

import ipaddress
from collections.abc import Callable
from typing import Any, Final
from unicodedata import normalize

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.core.exceptions import PermissionDenied
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from realtime.budgets import Budget, OverBudget, is_remembered, remember
from realtime.conf import limits
from realtime.throttling import is_loopback


def _budget(limit: str, what: str) -> Budget:
    return Budget(limit, "LOGIN_WINDOW", what, "throttled_logins")


OF_BOTH = _budget("LOGIN_FAILURES", "failed logins with this name from your address")
OF_ADDRESS = _budget("LOGIN_ADDRESS_FAILURES", "failed logins from your address")
OF_ACCOUNT = _budget("LOGIN_ACCOUNT_FAILURES", "failed logins with this name")

KNOWN: Final = "known-address"
IPV6_NETWORK: Final = 64  # bits; one client has all addresses of such a network


class FailedLogins:
    """An authentication backend that only refuses. It comes before those that accept."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **others: Any
    ) -> None:
        """Raises PermissionDenied, which ends the authentication, if too many have failed."""
        account = account_of({"username": username, **others})
        if password is None or account is None:
            return
        address = address_of(request)
        try:
            if address:
                OF_ADDRESS.check(address)
            OF_BOTH.check((account, address))
            if not is_remembered(KNOWN, (account, address)):
                OF_ACCOUNT.check(account)
        except OverBudget as error:
            if request is not None:
                # RefusedLogins reads it. With the traceback, the password would stay in memory.
                request.refused_login = error.with_traceback(None)  # type: ignore[attr-defined]
            raise PermissionDenied from error


@receiver(user_login_failed, dispatch_uid="config.logins")
def on_login_failed(credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any) -> None:
    account, address = account_of(credentials), address_of(request)
    if account is None or hasattr(request, "refused_login"):
        return
    if address:
        OF_ADDRESS.add(address, 1)
    OF_BOTH.add((account, address), 1)
    OF_ACCOUNT.add(account, 1)


@receiver(user_logged_in, dispatch_uid="config.logins")
def on_logged_in(request: HttpRequest, user: Any, **kwargs: Any) -> None:
    account = account_of({"username": user.get_username()})
    remember(KNOWN, (account, address_of(request)), limits.KNOWN_ADDRESS_LIFETIME)


class RefusedLogins:
    """The innermost middleware. Answers a refused login with 429, whatever page has checked the password."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        refused: OverBudget | None = getattr(request, "refused_login", None)
        return response if refused is None else refusal(request, refused)


def refusal(request: HttpRequest, error: OverBudget, template: str = "registration/login_refused.html") -> HttpResponse:
    """A page with the reason and the time to wait."""
    context = {"reason": str(error), "seconds": error.retry_after, "minutes": -(-error.retry_after // 60)}
    response = render(request, template, context, status=429)
    response["Retry-After"] = str(error.retry_after)
    return response


def account_of(credentials: dict[str, Any]) -> str | None:
    """The name of the account as all of its spellings have it. None if no account is named."""
    name = credentials.get("username") or credentials.get(get_user_model().USERNAME_FIELD)
    return None if name is None else normalize("NFKC", str(name)).casefold()


def address_of(request: HttpRequest | None) -> str:
    """The address of the client, or its IPv6 network. Empty if it is not known, or of this machine."""
    text = str(request.META.get("REMOTE_ADDR") or "") if request is not None else ""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    if is_loopback(str(address)):
        return ""
    if address.version == 4:
        return str(address)
    return str(address.ipv4_mapped or ipaddress.ip_network((address, IPV6_NETWORK), strict=False))
