"""Checks of the keys that verify tokens: E005, E007, E008, W007."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import FieldDoesNotExist
from django.utils.encoding import force_bytes
from jwt.algorithms import get_default_algorithms
from jwt.exceptions import InvalidKeyError

from realtime.jwt_settings import PUBLISHED, JwtSettings, is_safe_url, jwt_settings

SHORTEST_KEY = 32  # bytes: the length of an HS256 signature


@register("realtime")
def check_token_key(app_configs: Any, **options: Any) -> Iterator[CheckMessage]:
    """E005, E007, E008, W007: the keys that verify tokens, and for whom."""
    jwt = jwt_settings()
    problems = [*_check_algorithms(jwt)] or [*(_check_url(jwt.jwks_url) if jwt.jwks_url else _check_key(jwt))]
    yield from problems
    if not problems and jwt.is_public and not jwt.audience:
        yield Error(
            "JWT_AUDIENCE is not set, so each token is refused: a public key verifies tokens that its owner made for "
            "other services, too.",
            hint='Set JWT_AUDIENCE to the `aud` of the tokens for this server, for example "authenticated".',
            id="realtime.E007",
        )
    yield from _check_user_field(jwt.user_field)


def _check_algorithms(jwt: JwtSettings) -> Iterator[CheckMessage]:
    known = get_default_algorithms()
    for name in jwt.algorithms:
        if name in PUBLISHED and name not in known:
            yield Error(
                f"JWT_ALGORITHM is {name}, which needs the package cryptography.",
                hint="pip install cryptography",
                id="realtime.E005",
            )
        elif name == "none" or name not in known or (jwt.jwks_url and name.startswith("HS")):
            place = "with JWT_JWKS_URL" if jwt.jwks_url else "a token"
            yield Error(
                f"JWT_ALGORITHM is {name!r}, which cannot verify {place}.",
                hint="Use HS256 with a secret JWT_KEY, or RS256, ES256 or EdDSA with a public one or JWT_JWKS_URL.",
                id="realtime.E005",
            )


def _check_key(jwt: JwtSettings) -> Iterator[CheckMessage]:
    name = ", ".join(jwt.algorithms)
    hint = "Set JWT_KEY to a long random secret for HS256, to a public key in PEM form for the others."
    try:
        if "PRIVATE KEY" in str(jwt.key):
            raise ValueError("it is a private key, and only the public one is needed")
        for each in jwt.algorithms:
            get_default_algorithms()[each].prepare_key(jwt.key)
    except (InvalidKeyError, ValueError, TypeError) as error:
        yield Error(f"JWT_KEY is not a key for {name}: {error}", hint=hint, id="realtime.E005")
        return
    if not jwt.is_public and not settings.DEBUG and len(force_bytes(jwt.key)) < SHORTEST_KEY:
        yield CheckWarning(
            f"JWT_KEY is shorter than {SHORTEST_KEY} bytes: anyone with one token can guess it and forge others.",
            hint="Set JWT_KEY=$(python -c 'import secrets; print(secrets.token_urlsafe(48))').",
            id="realtime.W007",
        )


def _check_url(url: str) -> Iterator[CheckMessage]:
    if not is_safe_url(url):
        yield Error(
            f"JWT_JWKS_URL is {url!r}, from which nobody could trust a key.",
            hint="Use an https:// address; http:// only on this machine.",
            id="realtime.E005",
        )


def _check_user_field(name: str) -> Iterator[CheckMessage]:
    meta = get_user_model()._meta
    try:
        field = meta.pk if name == "pk" else meta.get_field(name)
    except FieldDoesNotExist:
        field = None
    if not getattr(field, "unique", False):
        yield Error(
            f"JWT_USER_FIELD is {name!r}, which is no unique field of the user model.",
            hint="Use pk, or a unique field such as username.",
            id="realtime.E008",
        )
