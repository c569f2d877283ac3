"""JSON Web Tokens of users. `sub` is the user's id. The setting JWT_ALGORITHM counts, never the token's `alg`.

    scope     valid for
    none      sockets and the HTTP API; identity providers make such tokens
    socket    sockets only; a page gets a short-lived one from `realtime.http.api`
    api       the HTTP API only
    worker    neither; workers use tokens of another form (`executions.api.worker_tokens`)

Other words in `scope` are ignored.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from django.conf import settings

from realtime.conf import limits

WORKER_SCOPE, SOCKET_SCOPE, API_SCOPE = "worker", "socket", "api"


class BadToken(Exception):  # noqa: N818
    """A token that is malformed, forged, expired, or of a scope for another purpose."""


class NoSubject(Exception):  # noqa: N818
    """A valid token that names no user."""


def issue_token(user_id: object, lifetime: timedelta, *, scope: str | None = None, auth_time: int | None = None) -> str:
    """A token for this user, valid for `lifetime`. `auth_time` is when the user authenticated, in seconds since 1970;
    now by default. It is written only with a scope."""
    now = datetime.now(UTC)
    claims: dict[str, Any] = {"sub": str(user_id), "iat": now, "exp": now + lifetime}
    if scope is not None:
        claims |= {"scope": scope, "auth_time": int(now.timestamp()) if auth_time is None else auth_time}
    if settings.JWT_AUDIENCE:
        claims["aud"] = settings.JWT_AUDIENCE
    if settings.JWT_ISSUER:
        claims["iss"] = settings.JWT_ISSUER
    return jwt.encode(claims, settings.JWT_KEY, settings.JWT_ALGORITHM)


def read_token(token: str, purpose: str = SOCKET_SCOPE) -> str:
    """The user id in a token that is valid for this purpose. Raises BadToken or NoSubject."""
    subject: str = read_claims(token, purpose)["sub"]
    return subject


def read_claims(token: str, purpose: str) -> dict[str, Any]:
    """The claims of a token that is valid for this purpose; `sub` is text. Raises BadToken or NoSubject."""
    if len(token) > limits.MAX_TOKEN_BYTES:
        raise BadToken(f"a token has at most {limits.MAX_TOKEN_BYTES:,} bytes")
    try:
        claims = jwt.decode(
            token,
            settings.JWT_KEY,
            algorithms=[settings.JWT_ALGORITHM],
            audience=settings.JWT_AUDIENCE or None,
            issuer=settings.JWT_ISSUER or None,
            options={"verify_aud": bool(settings.JWT_AUDIENCE), "verify_sub": False},
        )
    except RecursionError:  # PyJWT parses the header and the claims before it knows whether they are signed
        raise BadToken("the token nests too deep") from None
    except (jwt.PyJWTError, ValueError) as error:  # PyJWT raises ValueError for a lone surrogate
        raise BadToken(str(error)) from None  # the traceback of the cause may contain the token
    scope = claims.get("scope")
    words = set(scope.split()) if isinstance(scope, str) else set()
    known = words & {WORKER_SCOPE, SOCKET_SCOPE, API_SCOPE}
    if WORKER_SCOPE in known or (known and purpose not in known):
        raise BadToken(f"a token of scope {scope} is not for this")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise NoSubject
    return dict(claims)
