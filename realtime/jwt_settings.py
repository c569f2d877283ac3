"""The settings JWT_*, with their defaults: how the JSON Web Tokens of users are verified.

JWT_KEY           the secret (HS256) or the public key (RS256, ES256, EdDSA); SECRET_KEY by default
JWT_JWKS_URL      where the public keys are published, instead of JWT_KEY
JWT_ALGORITHM     one name or several, comma-separated; HS256 by default, with JWT_JWKS_URL all asymmetric ones
JWT_AUDIENCE      required with public keys, which sign tokens for other services, too
JWT_ISSUER        checked if set
JWT_MAX_LIFETIME  seconds from the issue of a token to its end, at most; a day
JWT_LEEWAY        seconds by which the clocks may differ; 30
JWT_USER_FIELD    the unique field of the user model that equals `sub`; pk by default
"""

from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings

LOOPBACK = ("localhost", "127.0.0.1", "::1")
PUBLISHED = ("RS256", "ES256", "EdDSA")


class JwtSettings(NamedTuple):
    key: str
    jwks_url: str
    algorithms: tuple[str, ...]
    audience: str
    issuer: str
    max_lifetime: int
    leeway: int
    user_field: str

    @property
    def is_public(self) -> bool:
        """Whether a public key verifies. Who publishes one usually signs for several services."""
        return bool(self.jwks_url) or any(not name.startswith("HS") for name in self.algorithms)


def jwt_settings() -> JwtSettings:
    """The settings in force; a setting that is missing or empty has its default."""

    def setting(name: str) -> str:
        return str(getattr(settings, f"JWT_{name}", "") or "")

    url = setting("JWKS_URL")
    names = tuple(name.strip() for name in setting("ALGORITHM").split(",") if name.strip())
    return JwtSettings(
        key=getattr(settings, "JWT_KEY", settings.SECRET_KEY),
        jwks_url=url,
        algorithms=names or (PUBLISHED if url else ("HS256",)),
        audience=setting("AUDIENCE"),
        issuer=setting("ISSUER"),
        max_lifetime=int(setting("MAX_LIFETIME") or 86_400),
        leeway=int(setting("LEEWAY") or 30),
        user_field=setting("USER_FIELD") or "pk",
    )


def is_safe_url(url: str) -> bool:
    """Whether nobody on the way can change the keys that are published there: HTTPS, or this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK))
