"""JSON Web Tokens that open sockets: `sub` is the user's id. The algorithm is the setting's, never the token's."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from django.conf import settings

WORKER_SCOPE = "worker"


class BadToken(Exception):  # noqa: N818
    """A token that is malformed, forged, expired, or made for something else."""


class NoSubject(Exception):  # noqa: N818
    """A valid token that names no user."""


def issue_token(user_id: object, lifetime: timedelta) -> str:
    """A token that opens sockets for this user until `lifetime` has passed."""
    now = datetime.now(UTC)
    claims: dict[str, Any] = {"sub": str(user_id), "iat": now, "exp": now + lifetime}
    if settings.JWT_AUDIENCE:
        claims["aud"] = settings.JWT_AUDIENCE
    if settings.JWT_ISSUER:
        claims["iss"] = settings.JWT_ISSUER
    return jwt.encode(claims, settings.JWT_KEY, settings.JWT_ALGORITHM)


def read_token(token: str) -> str:
    """The id of the user whom the token names. Raises BadToken or NoSubject."""
    try:
        claims = jwt.decode(
            token,
            settings.JWT_KEY,
            algorithms=[settings.JWT_ALGORITHM],
            audience=settings.JWT_AUDIENCE or None,
            issuer=settings.JWT_ISSUER or None,
            options={"verify_aud": bool(settings.JWT_AUDIENCE), "verify_sub": False},
        )
    except (jwt.PyJWTError, ValueError) as error:  # ValueError: a lone surrogate
        raise BadToken(str(error)) from None  # the cause may quote the token
    if claims.get("scope") == WORKER_SCOPE:
        raise BadToken("a worker's token opens no socket")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise NoSubject
    return subject
