"""The settings JWT_*."""

import pytest
from pytest_django import Settings

from realtime.jwt_settings import is_safe_url, jwt_settings


def test_missing_and_empty_settings_have_defaults(settings: Settings) -> None:
    for name in ("KEY", "ALGORITHM", "AUDIENCE", "ISSUER"):
        delattr(settings, f"JWT_{name}")
    settings.JWT_MAX_LIFETIME = 0
    found = jwt_settings()
    assert found == (settings.SECRET_KEY, "", ("HS256",), "", "", 86_400, 30, "pk")
    assert not found.is_public


def test_with_published_keys_each_asymmetric_algorithm_is_valid(settings: Settings) -> None:
    settings.JWT_JWKS_URL, settings.JWT_ALGORITHM = "https://login.example.com/jwks", ""
    assert jwt_settings().algorithms == ("RS256", "ES256", "EdDSA")
    assert jwt_settings().is_public
    settings.JWT_ALGORITHM = "RS256, ES256"
    assert jwt_settings().algorithms == ("RS256", "ES256")


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        ("https://login.example.com/jwks", True),
        ("http://127.0.0.1:8080/jwks", True),
        ("http://[::1]/jwks", True),
        ("http://localhost/jwks", True),
        ("http://login.example.com/jwks", False),
        ("http://localhost.example.com/jwks", False),
        ("http://127.0.0.1@example.com/jwks", False),
        ("ftp://localhost/jwks", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_keys_come_by_https_or_from_this_machine(url: str, is_safe: bool) -> None:
    assert is_safe_url(url) is is_safe
