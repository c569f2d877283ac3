"""Tokens of identity providers: public keys, published ones, and what AutoGPT, Supabase, Auth0 and Keycloak send."""

import asyncio
import time
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.contrib.auth.models import User
from pytest_django import Settings

from realtime.auth import handshake
from realtime.auth.handshake import CredentialsRefused
from realtime.auth.jwt import BadToken, issue_token, read_token
from tests.realtime.auth.identity_provider import KEYS, IdentityProvider
from tests.waiting import until_in_loop


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_published_key_verifies(provider: IdentityProvider, algorithm: str) -> None:
    provider.add_key("other", algorithm)
    assert read_token(provider.token("other")) == "7"
    assert read_token(provider.token("first")) == "7"
    assert provider.requests == 1


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_public_key_verifies_tokens_for_its_audience(settings: Settings, algorithm: str) -> None:
    key = KEYS[algorithm]()
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    settings.JWT_ALGORITHM, settings.JWT_KEY, settings.JWT_AUDIENCE = algorithm, pem, "runs"
    claims = {"sub": "7", "exp": time.time() + 60}
    assert read_token(jwt.encode({**claims, "aud": "runs"}, key, algorithm)) == "7"
    for other in ({}, {"aud": "mail"}):
        with pytest.raises(BadToken):
            read_token(jwt.encode(claims | other, key, algorithm))
    settings.JWT_AUDIENCE = ""
    with pytest.raises(BadToken, match="JWT_AUDIENCE"):
        read_token(jwt.encode({**claims, "aud": "runs"}, key, algorithm))


def test_a_public_key_is_no_secret(provider: IdentityProvider, settings: Settings) -> None:
    key = provider.keys["first"][1].public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = {"sub": "7", "aud": "authenticated", "exp": time.time() + 60}
    for secret in (pem, pem.strip(), provider.published(), settings.JWT_KEY.encode()):
        forged = _hs256(claims, secret, {"kid": "first"})
        with pytest.raises(BadToken):
            read_token(forged)
    settings.JWT_JWKS_URL, settings.JWT_KEY, settings.JWT_ALGORITHM = "", pem.decode(), "ES256"
    with pytest.raises(BadToken):
        read_token(_hs256(claims, pem, {}))


def _hs256(claims: dict[str, Any], secret: bytes, header: dict[str, Any]) -> str:
    """PyJWT itself refuses a public key as a secret."""
    import hashlib
    import hmac
    import json

    from jwt.utils import base64url_encode

    parts = b".".join(
        base64url_encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT", **header}, claims)
    )
    return (parts + b"." + base64url_encode(hmac.new(secret, parts, hashlib.sha256).digest())).decode()


def test_the_algorithm_belongs_to_the_key(provider: IdentityProvider, settings: Settings) -> None:
    provider.add_key("rsa", "RS256")
    with pytest.raises(BadToken):
        read_token(provider.token("rsa", header={"kid": "first"}))
    settings.JWT_ALGORITHM = "RS256"
    with pytest.raises(BadToken):
        read_token(provider.token("first"))


def test_keys_that_a_token_brings_or_names_are_ignored(provider: IdentityProvider) -> None:
    attacker = KEYS["ES256"]()
    own = jwt.get_algorithm_by_name("ES256").to_jwk(attacker.public_key(), as_dict=True)
    for header in ({"jwk": own}, {"jku": "http://127.0.0.1:1/"}, {"x5u": "http://127.0.0.1:1/"}):
        forged = jwt.encode(
            {"sub": "7", "aud": "authenticated", "exp": time.time() + 60},
            attacker,
            "ES256",
            headers={"kid": "first", **header},
        )
        with pytest.raises(BadToken):
            read_token(forged)


def test_an_unknown_key_is_bad_and_asked_for_once(provider: IdentityProvider) -> None:
    assert read_token(provider.token("first")) == "7"
    for number in range(20):
        with pytest.raises(BadToken, match="not published"):
            read_token(provider.token("first", header={"kid": f"made-up-{number}"}))
    assert provider.requests == 1


def test_a_provider_that_does_not_answer_makes_the_token_bad(provider: IdentityProvider, settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "AUTH_TIMEOUT": 0.05}
    provider.gate.clear()
    with pytest.raises(BadToken, match="not published"):
        read_token(provider.token("first"))


def test_own_tokens_do_not_ask_the_provider(provider: IdentityProvider) -> None:
    from datetime import timedelta

    assert read_token(issue_token(7, timedelta(hours=1))) == "7"
    assert provider.requests == 0


@pytest.mark.django_db(transaction=True)
async def test_the_event_loop_does_not_wait_for_the_provider(provider: IdentityProvider, user: User) -> None:
    provider.gate.clear()
    token = provider.token("first", sub=str(user.pk))
    scope = {"type": "websocket", "headers": [(b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode())]}
    sockets = [asyncio.create_task(handshake.authenticate(scope)) for _ in range(20)]
    await until_in_loop(lambda: provider.requests == 1)
    cookie = {"type": "websocket", "headers": [(b"host", b"localhost"), (b"cookie", b"sessionid=unknown")]}
    with pytest.raises(CredentialsRefused):  # others are answered: neither the loop nor the threads wait
        await handshake.authenticate(cookie)
    assert not any(each.done() for each in sockets)
    provider.gate.set()
    assert [each.user for each in await asyncio.gather(*sockets)] == [user] * 20
    assert provider.requests == 1


# The settings of docs/operations.md


@pytest.mark.django_db
def test_the_tokens_of_autogpt(settings: Settings) -> None:
    settings.JWT_KEY = "the-JWT-secret-that-AutoGPT-and-Supabase-share-of-forty-characters"
    settings.JWT_ALGORITHM, settings.JWT_AUDIENCE = "HS256", "authenticated"
    settings.JWT_USER_FIELD = "username"
    _accepts(settings.JWT_KEY, "HS256", {}, {"aud": "authenticated", "iss": "http://localhost:8000/auth/v1"})


@pytest.mark.django_db
def test_the_tokens_of_supabase(settings: Settings, provider: IdentityProvider) -> None:
    settings.JWT_ISSUER, settings.JWT_USER_FIELD = "https://ref.supabase.co/auth/v1", "username"
    _, key = provider.keys["first"]
    _accepts(key, "ES256", {"kid": "first"}, {"aud": "authenticated", "iss": settings.JWT_ISSUER, "session_id": "s"})


@pytest.mark.django_db
def test_the_tokens_of_auth0(settings: Settings, provider: IdentityProvider) -> None:
    settings.JWT_AUDIENCE, settings.JWT_ISSUER = "https://runs.example.com/", "https://tenant.eu.auth0.com/"
    settings.JWT_USER_FIELD = "username"
    provider.add_key("rsa", "RS256")
    claims = {
        "aud": [settings.JWT_AUDIENCE, "https://tenant.eu.auth0.com/userinfo"],
        "iss": settings.JWT_ISSUER,
        "scope": "openid profile",
        "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
    }
    _accepts(provider.keys["rsa"][1], "RS256", {"kid": "rsa"}, claims)


@pytest.mark.django_db
def test_the_tokens_of_keycloak(settings: Settings, provider: IdentityProvider) -> None:
    settings.JWT_AUDIENCE, settings.JWT_ISSUER = "runwire", "https://login.example.com/realms/main"
    settings.JWT_USER_FIELD = "username"
    provider.add_key("rsa", "RS256")
    provider.others = [{"kty": "RSA", "kid": "enc", "use": "enc", "alg": "RSA-OAEP", "n": "AQAB", "e": "AQAB"}]
    claims = {"aud": ["runwire", "account"], "iss": settings.JWT_ISSUER, "typ": "Bearer", "scope": "email profile"}
    _accepts(provider.keys["rsa"][1], "RS256", {"kid": "rsa"}, claims)


def _accepts(key: Any, algorithm: str, header: dict[str, Any], claims: dict[str, Any]) -> None:
    """The token opens the API as the user whose name is its `sub`; for another service it is refused."""
    from tests.executions.api.conftest import ApiClient, ok, refused

    now = int(time.time())
    claims = {"sub": str(uuid4()), "iat": now, "exp": now + 3600, "role": "authenticated", **claims}
    User.objects.create_user(claims["sub"])
    ok(ApiClient(token=jwt.encode(claims, key, algorithm, headers=header)).get("/graphs"))
    for other in ({"aud": "another"}, {"sub": str(uuid4())}, {"exp": now - 60}):
        refused(ApiClient(token=jwt.encode(claims | other, key, algorithm, headers=header)).get("/graphs"), 401)
