"""Finds the user of a connection. The first credentials in this order count; bad ones never fall back to later ones:

scope["user"]                               set by an outer middleware or a test
Sec-WebSocket-Protocol: bearer, <token>
Authorization: Bearer <token>
?token=<token>                              sent by AutoGPT Platform's frontend; never logged; the last one counts
?share=<token>                              of a link: the connection is a guest's; likewise
the session cookie                          the Origin is checked, since browsers send cookies for any page

CHECK_TOKEN_ORIGIN says when the Origin of a connection with a token, of either kind, is checked, too.

A refusal is the answer to the handshake (403), so that a client that subscribes when its socket opens does not take a
refused socket for an open one. A client that wants the reason asks for it, by `?refusal=frame` or by the subprotocol
`runwire`: its socket is accepted, told and closed.
"""

from importlib import import_module
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user, get_user_model
from django.http import HttpRequest, parse_cookie
from django.http.request import split_domain_port, validate_host

from realtime.aio.single_flight import SingleFlightGroup
from realtime.auth.guests import Guest, GuestProof, find_links
from realtime.auth.identity import (
    AnyProof,
    CredentialsRefused,
    Identity,
    Proof,
    bad_token,
    check_now,
    token_proof,
)
from realtime.auth.jwt import BadToken, NoSubject, await_key, read_user
from realtime.conf import limits
from realtime.db import in_thread
from realtime.wire.close_codes import CloseCode

Scope = dict[str, Any]
BEARER, RUNWIRE = "bearer", "runwire"  # subprotocols


class HandshakeRefused(Exception):  # noqa: N818
    """The handshake is refused (403), even if the client asks for the reason."""


class ForeignHost(HandshakeRefused):
    """The Host is missing or not in ALLOWED_HOSTS, as with a page whose domain was rebound to this server."""


class ForeignOrigin(HandshakeRefused):
    """A page of a foreign origin may not use the user's cookie."""


class Credentials(NamedTuple):
    """The credentials that a connection sent: the first of these that is not None."""

    token: str | None
    share: str | None
    session_key: str | None


_single_flights: "SingleFlightGroup[Authenticated]" = SingleFlightGroup()  # by credentials


def select_subprotocol(scope: Scope) -> str | None:
    """`bearer` if the client offers it, else `runwire`, else none. A browser fails if the server selects none of those
    that it has offered, or another one."""
    offered = scope.get("subprotocols", ())
    return next((each for each in (BEARER, RUNWIRE) if each in offered), None)


def asks_for_reason(scope: Scope) -> bool:
    """Whether the client wants a refusal as a frame and a close code. A browser shows no answer to a handshake."""
    return RUNWIRE in scope.get("subprotocols", ()) or _read_query(scope).get("refusal", [""])[-1] == "frame"


class Authenticated(NamedTuple):
    """The active user of a connection, or a guest, and by what proof. `proof` is None for a user who is not in the
    database."""

    user: Any
    proof: AnyProof | None
    expires_at: float | None = None  # as in Identity


async def authenticate(scope: Scope) -> Authenticated:
    """The active user of the connection. Raises CredentialsRefused or HandshakeRefused. Reads the database in a
    thread. Connections with the same credentials at the same time share one read: after a restart all tabs of a browser
    reconnect together."""
    if not _is_host_allowed(_read_host(scope)):
        raise ForeignHost
    if "user" in scope:
        return await in_thread(_find_given_user, scope)  # a lazy user reads the database
    credentials = _read_credentials(scope)
    if credentials.token is not None:
        await await_key(credentials.token)
    return await _single_flights.read(credentials, lambda: in_thread(_find_user, credentials))


def _find_given_user(scope: Scope) -> Authenticated:
    user, session = _require_active(scope["user"]), scope.get("session")
    if not isinstance(user, get_user_model()):
        return Authenticated(user, None)
    if session is None or session.get(SESSION_KEY) != str(user.pk):
        return Authenticated(user, Proof(user.pk))
    return Authenticated(user, Proof(user.pk, session.session_key))


def _require_active(user: Any) -> Any:
    if user is None or not user.is_authenticated or not user.is_active:
        raise CredentialsRefused(CloseCode.NO_CREDENTIALS, "Authentication required")
    return user


def _read_credentials(scope: Scope) -> Credentials:
    headers = dict(scope.get("headers", ()))
    offered = list(scope.get("subprotocols", ()))
    authorization = headers.get(b"authorization", b"").decode("latin-1").split(None, 1)
    query = _read_query(scope)
    token: str | None = None
    if BEARER in offered:
        after = offered[offered.index(BEARER) + 1 :]
        token = after[0] if after else ""
    elif authorization and authorization[0].lower() == "bearer":
        token = authorization[1] if len(authorization) > 1 else ""
    elif "token" in query:
        token = query["token"][-1]
    cookies = parse_cookie(headers.get(b"cookie", b"").decode("latin-1"))
    session_key = cookies.get(settings.SESSION_COOKIE_NAME)
    if not session_key or "\0" in session_key:  # possible in a quoted cookie; PostgreSQL refuses it
        session_key = None
    share = query["share"][-1] if "share" in query else None
    has_token = token is not None or share is not None
    from_page = _is_token_of_pages(session_key) if has_token else session_key is not None
    if from_page and not _is_origin_allowed(scope):
        raise ForeignOrigin
    return Credentials(token, share, None if has_token else session_key)


def _read_query(scope: Scope) -> dict[str, list[str]]:
    return parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)


def _find_user(credentials: Credentials) -> Authenticated:
    if credentials.token is not None:
        return _find_token_user(credentials.token)
    if credentials.share is not None:
        return _find_guest(credentials.share)
    if credentials.session_key is not None:
        return _find_session_user(credentials.session_key)
    raise CredentialsRefused(CloseCode.NO_CREDENTIALS, "Authentication required")


def _find_token_user(token: str) -> Authenticated:
    try:
        user, claims = read_user(token)
    except BadToken:
        raise bad_token() from None
    except NoSubject:
        raise CredentialsRefused(CloseCode.UNKNOWN_USER, "The token names no user") from None
    proof = token_proof(user, claims)
    if not user.is_active or (proof.session_key and not isinstance(check_now(proof), Identity)):
        raise proof.refusal
    return Authenticated(user, proof, proof.expires_at)


def _find_guest(token: str) -> Authenticated:
    link = find_links({token}).get(token)
    if link is None:
        raise bad_token()
    return Authenticated(Guest(link.stream), GuestProof(token, link.stream), link.expires_at)


def _find_session_user(session_key: str) -> Authenticated:
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = _require_active(get_user(request))  # get_user checks the hash of the password
    return Authenticated(user, Proof(user.pk, session_key))


def _is_token_of_pages(session_key: str | None) -> bool:
    """Whether the Origin of a connection with a token is checked, too."""
    setting = limits.CHECK_TOKEN_ORIGIN
    return bool(setting == "always" or (setting == "with_cookie" and session_key is not None))


def _is_origin_allowed(scope: Scope) -> bool:
    """Whether the page that opens the socket belongs to this host, or its origin is listed in ALLOWED_ORIGINS. Browsers
    always send an Origin; a connection without one is not from a browser."""
    headers = dict(scope.get("headers", ()))
    if b"origin" not in headers:
        return True
    origin = headers[b"origin"].decode("latin-1").lower()
    if origin in {allowed.lower().rstrip("/") for allowed in limits.ALLOWED_ORIGINS}:
        return True
    host = _read_host(scope)
    is_secure = scope.get("scheme") == "wss"
    if settings.SECURE_PROXY_SSL_HEADER:
        name, value = settings.SECURE_PROXY_SSL_HEADER
        sent = headers.get(name.removeprefix("HTTP_").replace("_", "-").lower().encode())
        if sent is not None:  # Django, too, takes the value of the first proxy
            is_secure = sent.split(b",")[0].strip() == value.encode()
    own_origin = f"{'https' if is_secure else 'http'}://{host}"
    return bool(origin == own_origin)  # the Host has been checked


def _read_host(scope: Scope) -> str:
    """The Host, or what the proxy names if the settings believe it. Empty if there is none. A header that comes twice
    is joined, as Django does, and is then no host."""
    names = [b"x-forwarded-host"] if settings.USE_X_FORWARDED_HOST else []
    for wanted in (*names, b"host"):
        if found := [value for name, value in scope.get("headers", ()) if name == wanted]:
            return b",".join(found).decode("latin-1").lower()
    return ""


def _is_host_allowed(host: str) -> bool:
    allowed = settings.ALLOWED_HOSTS or ([".localhost", "127.0.0.1", "[::1]"] if settings.DEBUG else [])
    name, _ = split_domain_port(host)
    return bool(name) and validate_host(name, allowed)
