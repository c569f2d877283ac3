"""How a connection proves who it is. In this order, and what is bad never falls back to what comes later:

scope["user"]                               set by an outer middleware or a test
Sec-WebSocket-Protocol: bearer, <token>     the server selects `bearer`
Authorization: Bearer <token>
?token=<token>                              what AutoGPT Platform's frontend does; never logged
the session cookie                          with a check of Origin, since browsers send cookies for any page
"""

from importlib import import_module
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from django.conf import settings
from django.contrib.auth import get_user, get_user_model
from django.core.exceptions import ValidationError
from django.http import HttpRequest, parse_cookie
from django.http.request import split_domain_port, validate_host

from realtime.aio.single_flight import SingleFlightGroup
from realtime.auth.jwt import BadToken, NoSubject, read_token
from realtime.conf import limits
from realtime.db import in_thread
from realtime.wire.close_codes import CloseCode

Scope = dict[str, Any]
SUBPROTOCOL = "bearer"


class CredentialsRefused(Exception):  # noqa: N818
    """Credentials that are refused after accepting, so that a browser can read the code."""

    def __init__(self, code: CloseCode, text: str) -> None:
        self.code, self.text = code, text
        super().__init__(text)


class ForeignOrigin(Exception):  # noqa: N818
    """A page that may not use the user's cookie: refused before accepting (403)."""


class Credentials(NamedTuple):
    """What a connection brought; at most one of the two is used, the token first."""

    token: str | None
    session_key: str | None


_reads: SingleFlightGroup[Any] = SingleFlightGroup()


def offers_bearer(scope: Scope) -> bool:
    """Whether the client offered the subprotocol `bearer`, which must then be selected, even to refuse."""
    return SUBPROTOCOL in scope.get("subprotocols", ())


async def authenticate(scope: Scope) -> Any:
    """The active user who is connecting. Raises CredentialsRefused or ForeignOrigin. Reads the database, in a thread;
    who comes at about the same time with the same credentials, as all tabs of a browser do after a restart, shares the
    reading."""
    if "user" in scope:
        return await in_thread(_active, scope["user"])  # which may be lazy
    credentials = _credentials(scope)
    return await _reads.read(credentials, lambda: in_thread(_user_of, credentials))


def _active(user: Any) -> Any:
    if user is None or not user.is_authenticated or not user.is_active:
        raise CredentialsRefused(CloseCode.NO_CREDENTIALS, "Authentication required")
    return user


def _credentials(scope: Scope) -> Credentials:
    headers = dict(scope.get("headers", ()))
    offered = list(scope.get("subprotocols", ()))
    authorization = headers.get(b"authorization", b"").decode("latin-1").split(None, 1)
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    token: str | None = None
    if SUBPROTOCOL in offered:
        after = offered[offered.index(SUBPROTOCOL) + 1 :]
        token = after[0] if after else ""
    elif authorization and authorization[0].lower() == "bearer":
        token = authorization[1] if len(authorization) > 1 else ""
    elif "token" in query:
        token = query["token"][0]
    cookies = parse_cookie(headers.get(b"cookie", b"").decode("latin-1"))
    session_key = cookies.get(settings.SESSION_COOKIE_NAME)
    if not session_key or "\0" in session_key:  # a quoted cookie may hold it, and PostgreSQL cannot compare with it
        session_key = None
    if token is None and session_key is not None and not _is_origin_allowed(scope):
        raise ForeignOrigin
    return Credentials(token, session_key)


def _user_of(credentials: Credentials) -> Any:
    if credentials.token is not None:
        return _user_of_token(credentials.token)
    if credentials.session_key is not None:
        return _user_of_session(credentials.session_key)
    raise CredentialsRefused(CloseCode.NO_CREDENTIALS, "Authentication required")


def _user_of_token(token: str) -> Any:
    try:
        user_id = read_token(token)
    except BadToken:
        raise CredentialsRefused(CloseCode.BAD_TOKEN, "Invalid or expired token") from None
    except NoSubject:
        raise CredentialsRefused(CloseCode.UNKNOWN_USER, "The token names no user") from None
    try:
        user = get_user_model()._default_manager.get(pk=user_id)
    except (get_user_model().DoesNotExist, ValueError, OverflowError, ValidationError):
        raise CredentialsRefused(CloseCode.UNKNOWN_USER, "The token names no user") from None
    if not user.is_active:
        raise CredentialsRefused(CloseCode.BAD_TOKEN, "Invalid or expired token")
    return user


def _user_of_session(session_key: str) -> Any:
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    return _active(get_user(request))  # which checks the hash of the password


def _is_origin_allowed(scope: Scope) -> bool:
    """Whether the page that opens the socket is the host's own, or listed. Browsers always send an Origin, so a
    missing one means another kind of client."""
    headers = dict(scope.get("headers", ()))
    if b"origin" not in headers:
        return True
    origin = headers[b"origin"].decode("latin-1").lower()
    if origin in {allowed.lower().rstrip("/") for allowed in limits.ALLOWED_ORIGINS}:
        return True
    host = headers.get(b"host", b"").decode("latin-1").lower()
    is_secure = scope.get("scheme") == "wss"
    if settings.SECURE_PROXY_SSL_HEADER:
        name, value = settings.SECURE_PROXY_SSL_HEADER
        sent = headers.get(name.removeprefix("HTTP_").replace("_", "-").lower().encode())
        if sent is not None:  # of several proxies the first one names the scheme, as for Django
            is_secure = sent.split(b",")[0].strip() == value.encode()
    own = f"{'https' if is_secure else 'http'}://{host}"
    return bool(host) and origin == own and _is_host_allowed(host)


def _is_host_allowed(host: str) -> bool:
    allowed = settings.ALLOWED_HOSTS or ([".localhost", "127.0.0.1", "[::1]"] if settings.DEBUG else [])
    name, _ = split_domain_port(host)
    return bool(name) and validate_host(name, allowed)
