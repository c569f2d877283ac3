"""JSON Web Tokens of users. `sub` names the user (see `realtime.auth.subject`). The settings JWT_* say how a token is
verified, never the token itself.

    scope     valid for
    none      sockets and the HTTP API; identity providers make such tokens
    socket    sockets only; a page gets a short-lived one from `realtime.http.api`
    api       the HTTP API only
    worker    neither; workers use tokens of another form (`executions.api.worker_tokens`)

`scope` is text. Other words in it are ignored; another form of it is refused.

Tokens that this server signs have a key of their own (`realtime.auth.own_key`).
"""

import asyncio
import time
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from realtime.auth import own_key
from realtime.auth.key_set import key_set
from realtime.auth.subject import find_user
from realtime.conf import limits
from realtime.jwt_settings import JwtSettings, jwt_settings

WORKER_SCOPE, SOCKET_SCOPE, API_SCOPE = "worker", "socket", "api"


class BadToken(Exception):  # noqa: N818
    """A token that is malformed, forged, expired, or of a scope for another purpose."""


class NoSubject(Exception):  # noqa: N818
    """A valid token that names no user."""


def issue_token(
    user_id: object,
    lifetime: timedelta,
    *,
    scope: str | None = None,
    auth_time: int | None = None,
    session: str | None = None,
) -> str:
    """A token for the user with this primary key, valid for `lifetime`. `auth_time` is when the user authenticated, in
    seconds since 1970; now by default. It is written only with a scope. `session` is the sealed key of the session that
    the token dies with."""
    now = datetime.now(UTC)
    claims: dict[str, Any] = {"sub": str(user_id), "iat": now, "exp": now + lifetime}
    if scope is not None:
        claims |= {"scope": scope, "auth_time": int(now.timestamp()) if auth_time is None else auth_time}
    if session is not None:
        claims["session"] = session
    return jwt.encode(claims, own_key.signing_key(), own_key.ALGORITHM, headers={"kid": own_key.ID})


def read_token(token: str, purpose: str = SOCKET_SCOPE) -> str:
    """The subject of a token that is valid for this purpose. Raises BadToken or NoSubject."""
    subject: str = read_claims(token, purpose)["sub"]
    return subject


def read_user(token: str, purpose: str = SOCKET_SCOPE) -> tuple[Any, dict[str, Any]]:
    """The user of a token that is valid for this purpose, active or not, and the claims. Raises BadToken, or NoSubject
    if there is no such user. Reads the database."""
    claims = read_claims(token, purpose)
    user = find_user(claims["sub"], "pk" if _header(token).get("kid") == own_key.ID else jwt_settings().user_field)
    if user is None:
        raise NoSubject
    return user, claims


async def await_key(token: str) -> None:
    """Waits until the key of the token can be looked up without waiting for the network."""
    try:
        fetch = _fetch_for(_header(token), jwt_settings())
    except BadToken:
        return
    if fetch is not None:
        await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(fetch)), limits.AUTH_TIMEOUT)


def read_claims(token: str, purpose: str) -> dict[str, Any]:
    """The claims of a token that is valid for this purpose; `sub` is text. May wait for the keys of JWT_JWKS_URL, so
    sockets call `await_key()` first. Raises BadToken or NoSubject."""
    header = _header(token)
    claims = _verify_own(token) if header.get("kid") == own_key.ID else _verify(token, header, jwt_settings())
    scope = claims.get("scope", "")
    if not isinstance(scope, str):
        raise BadToken("the scope of the token is not text")
    known = set(scope.split()) & {WORKER_SCOPE, SOCKET_SCOPE, API_SCOPE}
    if WORKER_SCOPE in known or (known and purpose not in known):
        raise BadToken(f"a token of scope {scope} is not for this")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise NoSubject
    return claims


def _header(token: str) -> dict[str, Any]:
    """The header, not verified. Raises BadToken."""
    if len(token) > limits.MAX_TOKEN_BYTES:
        raise BadToken(f"a token has at most {limits.MAX_TOKEN_BYTES:,} bytes")
    try:
        header = jwt.get_unverified_header(token)
    except RecursionError:  # PyJWT parses the header and the claims before it knows whether they are signed
        raise BadToken("the token nests too deep") from None
    except (jwt.PyJWTError, ValueError) as error:  # PyJWT raises ValueError for a lone surrogate
        raise BadToken(str(error)) from None  # the traceback of the cause may contain the token
    if "crit" in header:
        raise BadToken("the token needs an extension that this server does not have")
    return header


def _verify_own(token: str) -> dict[str, Any]:
    for key in own_key.verification_keys():
        try:
            return _decode(token, key, [own_key.ALGORITHM], verify_aud=False)
        except jwt.InvalidSignatureError as error:
            refused = BadToken(str(error))
    raise refused from None


def _verify(token: str, header: dict[str, Any], options: JwtSettings) -> dict[str, Any]:
    if options.is_public and not options.audience:
        raise BadToken("JWT_AUDIENCE is not set: a public key verifies tokens for other services, too")
    key: Any = options.key
    if options.jwks_url:
        if fetch := _fetch_for(header, options):
            with suppress(TimeoutError):  # then the key is not there
                fetch.result(limits.AUTH_TIMEOUT)
        key = key_set(options.jwks_url).find(header.get("kid"))
        if key is None:
            raise BadToken("the key of the token is not published at JWT_JWKS_URL")
    try:
        claims = _decode(
            token,
            key,
            [name for name in options.algorithms if not (options.jwks_url and name.startswith("HS"))],
            audience=options.audience or None,
            issuer=options.issuer or None,
            leeway=options.leeway,
            verify_aud=bool(options.audience),
        )
    except jwt.InvalidSignatureError as error:
        raise BadToken(str(error)) from None
    now = time.time()
    issued_at = claims.get("iat", now)
    if claims["exp"] - min(issued_at, now) > options.max_lifetime + options.leeway:
        raise BadToken(f"a token is valid for at most {options.max_lifetime} seconds (JWT_MAX_LIFETIME)")
    return claims


def _fetch_for(header: dict[str, Any], options: JwtSettings) -> "Future[None] | None":
    is_foreign = options.jwks_url and header.get("kid") != own_key.ID
    if not is_foreign or header.get("alg") not in options.algorithms or not options.audience:
        return None
    return key_set(options.jwks_url).fetch_for(header.get("kid"))


def _decode(token: str, key: Any, algorithms: list[str], *, verify_aud: bool, **options: Any) -> dict[str, Any]:
    """The claims of a token with this key, and with an end. Raises BadToken, and InvalidSignatureError for another
    key."""
    checks: Any = {"require": ["exp"], "verify_aud": verify_aud, "verify_sub": False}
    try:
        claims: dict[str, Any] = jwt.decode(token, key, algorithms=algorithms, options=checks, **options)
    except jwt.InvalidSignatureError:
        raise
    except RecursionError:
        raise BadToken("the token nests too deep") from None
    except (jwt.PyJWTError, ValueError, OverflowError, TypeError) as error:  # OverflowError: a time that is infinite
        raise BadToken(str(error)) from None
    if any(type(claims[name]) not in (int, float) for name in ("exp", "nbf", "iat") if name in claims):
        raise BadToken("a time in the token is not a number")
    return claims
