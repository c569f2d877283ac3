"""The key of the tokens that this server signs itself, apart from the key of users' tokens.

It is derived from SECRET_KEY, so all processes have it, and an identity provider's public key is no obstacle. Tokens of
a key in SECRET_KEY_FALLBACKS stay valid.
"""

from django.conf import settings
from django.utils.crypto import salted_hmac

ID = "runwire"  # the `kid` of these tokens
ALGORITHM = "HS256"


def signing_key() -> bytes:
    return _derive(settings.SECRET_KEY)


def verification_keys() -> list[bytes]:
    return [_derive(secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


def _derive(secret: str | bytes) -> bytes:
    return salted_hmac("realtime.auth.own_key", ID, secret=secret, algorithm="sha256").digest()
