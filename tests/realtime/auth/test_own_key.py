"""The key of the tokens that this server signs itself."""

import time
from datetime import timedelta

import jwt
import pytest
from pytest_django import Settings

from realtime.auth import own_key
from realtime.auth.jwt import BadToken, issue_token, read_token

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("algorithm", ["HS256", "HS512", "RS256", "ES256", "EdDSA"])
def test_tokens_are_made_whatever_verifies_the_users_tokens(settings: Settings, algorithm: str) -> None:
    settings.JWT_ALGORITHM, settings.JWT_KEY, settings.JWT_AUDIENCE = algorithm, "a public key in PEM form", "others"
    assert read_token(issue_token(7, HOUR, scope="socket")) == "7"


def test_the_key_of_users_tokens_makes_no_own_token(settings: Settings) -> None:
    settings.JWT_KEY = settings.SECRET_KEY
    forged = jwt.encode({"sub": "7", "exp": time.time() + 60}, settings.JWT_KEY, "HS256", headers={"kid": own_key.ID})
    with pytest.raises(BadToken):
        read_token(forged)


def test_an_own_token_is_none_of_a_users_key(settings: Settings) -> None:
    token = issue_token(7, HOUR)
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, settings.JWT_KEY, ["HS256"])


def test_tokens_outlive_a_change_of_the_secret_key(settings: Settings) -> None:
    old = issue_token(7, HOUR)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a new key which is long enough " * 2, [settings.SECRET_KEY]
    assert read_token(old) == read_token(issue_token(7, HOUR)) == "7"
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(BadToken):
        read_token(old)


def test_a_socket_token_of_an_older_version_is_valid_until_its_end(settings: Settings) -> None:
    claims = {"sub": "7", "iat": time.time(), "exp": time.time() + 300, "scope": "socket", "auth_time": 1}
    assert read_token(jwt.encode(claims, settings.JWT_KEY, "HS256")) == "7"
