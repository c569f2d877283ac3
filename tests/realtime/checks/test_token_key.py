"""The checks of the key that verifies tokens."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pytest_django import Settings

from realtime.checks import token_key
from tests.realtime.checks.conftest import SECRET, found, ids

PUBLIC_KEY = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----"""


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("none", SECRET),
        ("HS255", SECRET),
        ("HS256", ""),
        ("HS256", PUBLIC_KEY),
        ("RS256", SECRET),
        ("ES256", SECRET),
        ("EdDSA", SECRET),
    ],
)
def test_a_token_key_that_cannot_verify_is_an_error(production: Settings, algorithm: str, key: str) -> None:
    production.JWT_ALGORITHM, production.JWT_KEY = algorithm, key
    assert ids() == ["realtime.E005"]


def test_a_public_key_passes(production: Settings) -> None:
    production.JWT_ALGORITHM, production.JWT_KEY, production.JWT_AUDIENCE = "EdDSA", PUBLIC_KEY, "runs"
    assert found() == []


def test_a_private_key_is_an_error(production: Settings) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    production.JWT_ALGORITHM, production.JWT_KEY, production.JWT_AUDIENCE = "EdDSA", pem, "runs"
    (error,) = found()
    assert error.id == "realtime.E005"
    assert "only the public one" in error.msg
    assert pem not in error.msg


def test_a_public_key_without_an_audience_is_an_error(production: Settings) -> None:
    production.JWT_ALGORITHM, production.JWT_KEY = "EdDSA", PUBLIC_KEY
    assert ids() == ["realtime.E007"]
    production.JWT_ALGORITHM, production.JWT_JWKS_URL = "", "https://login.example.com/jwks.json"
    assert ids() == ["realtime.E007"]


@pytest.mark.parametrize(
    ("url", "algorithm"),
    [
        ("http://login.example.com/jwks.json", ""),
        ("file:///etc/passwd", ""),
        ("https://", ""),
        ("https://[", ""),
        ("https://login.example.com/jwks.json", "HS256"),
    ],
)
def test_published_keys_come_from_a_safe_place_and_are_public(production: Settings, url: str, algorithm: str) -> None:
    production.JWT_JWKS_URL, production.JWT_ALGORITHM, production.JWT_AUDIENCE = url, algorithm, "runs"
    assert ids() == ["realtime.E005"]


def test_a_missing_package_is_named_with_the_cure(production: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_key, "get_default_algorithms", lambda: {"HS256": None})
    production.JWT_JWKS_URL, production.JWT_ALGORITHM = "https://login.example.com/jwks.json", "ES256"
    production.JWT_AUDIENCE = "runs"
    (error,) = found()
    assert (error.id, error.hint) == ("realtime.E005", "pip install cryptography")


@pytest.mark.parametrize("field", ["first_name", "nothing"])
def test_the_field_of_the_user_must_be_unique(production: Settings, field: str) -> None:
    production.JWT_USER_FIELD = field
    assert ids() == ["realtime.E008"]
    production.JWT_USER_FIELD = "username"
    assert found() == []


def test_a_short_token_key_in_production_is_a_warning(production: Settings) -> None:
    production.JWT_KEY = SECRET[:31]
    assert ids() == ["realtime.W007"]
