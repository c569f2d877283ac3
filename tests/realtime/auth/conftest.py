"""An identity provider whose published keys verify tokens."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.realtime.auth.identity_provider import IdentityProvider, identity_provider


@pytest.fixture
def provider(settings: Settings) -> Iterator[IdentityProvider]:
    """With one key, "first"."""
    with identity_provider() as each:
        each.add_key("first")
        settings.JWT_JWKS_URL, settings.JWT_ALGORITHM, settings.JWT_AUDIENCE = each.url, "", "authenticated"
        yield each
