"""The checks of the key that verifies tokens."""

import pytest
from pytest_django import Settings

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
    production.JWT_ALGORITHM, production.JWT_KEY = "EdDSA", PUBLIC_KEY
    assert found() == []


def test_a_short_token_key_in_production_is_a_warning(production: Settings) -> None:
    production.JWT_KEY = SECRET[:31]
    assert ids() == ["realtime.W007"]
