"""Checks of the key that verifies tokens: E005, W007."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning
from django.utils.encoding import force_bytes
from jwt.algorithms import get_default_algorithms
from jwt.exceptions import InvalidKeyError

SHORTEST_KEY = 32  # bytes: the length of an HS256 signature


@register("realtime")
def check_token_key(app_configs: Any, **options: Any) -> Iterator[CheckMessage]:
    """E005, W007: the key that verifies tokens."""
    name, key = getattr(settings, "JWT_ALGORITHM", "HS256"), getattr(settings, "JWT_KEY", settings.SECRET_KEY)
    algorithm = get_default_algorithms().get(name)
    if algorithm is None or name == "none":
        yield Error(
            f"JWT_ALGORITHM is {name!r}, which cannot verify a token.",
            hint="Use HS256 with a secret JWT_KEY, or RS256, ES256 or EdDSA with a public one.",
            id="realtime.E005",
        )
        return
    try:
        algorithm.prepare_key(key)
    except (InvalidKeyError, ValueError, TypeError) as error:
        yield Error(
            f"JWT_KEY is not a key for {name}: {error}",
            hint="Set JWT_KEY to a long random secret for HS256, to a public key in PEM form for the others.",
            id="realtime.E005",
        )
        return
    if name.startswith("HS") and not settings.DEBUG and len(force_bytes(key)) < SHORTEST_KEY:
        yield CheckWarning(
            f"JWT_KEY is shorter than {SHORTEST_KEY} bytes: anyone with one token can guess it and forge others.",
            hint="Set JWT_KEY=$(python -c 'import secrets; print(secrets.token_urlsafe(48))').",
            id="realtime.W007",
        )
