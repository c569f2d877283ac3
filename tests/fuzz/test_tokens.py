"""Tokens and credentials: the user whom they name, or one of the documented refusals."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpRequest
from hypothesis import given
from hypothesis import strategies as st

from executions.api.worker_tokens import find_token
from realtime.auth.handshake import Credentials, HandshakeRefused, _read_credentials
from realtime.auth.jwt import API_SCOPE, SOCKET_SCOPE, BadToken, NoSubject, read_claims
from realtime.conf import limits
from realtime.http.bearer import SocketBearer
from realtime.http.problem import HttpProblem
from tests.fuzz.inputs import json_bytes, json_values, near, spliced, texts
from tests.fuzz.oracles import LONG_REPR, SHORT, SLOW, at_most_calls, rolled_back
from tests.fuzz.world import make_world

pytestmark = LONG_REPR

CLAIMS = {"sub": "1", "iat": 1_700_000_000, "exp": 4_000_000_000, "nbf": 1, "scope": "socket api", "auth_time": 1}
HEADER = {"alg": "HS256", "typ": "JWT"}


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def signed(head: bytes, body: bytes, key: str, digest: str) -> bytes:
    text = _base64(head) + b"." + _base64(body)
    return text + b"." + _base64(hmac.new(key.encode(), text, digest).digest())


def tokens(headers: st.SearchStrategy[bytes], keys: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    claims = json_bytes(st.one_of(near(CLAIMS), st.just(CLAIMS), json_values))
    return st.builds(signed, headers, claims, keys, st.sampled_from(["sha256", "sha512"]))


def signed_by_us() -> st.SearchStrategy[str]:
    keys = st.deferred(lambda: st.just(settings.JWT_KEY))
    return tokens(st.just(json.dumps(HEADER).encode()), keys).map(bytes.decode)


def any_token() -> st.SearchStrategy[str]:
    keys = st.deferred(lambda: st.sampled_from([settings.JWT_KEY, "", "another key"]))
    headers = [HEADER, {"alg": "none"}, {"alg": "HS512"}, {"alg": "RS256", "kid": "x"}, {"alg": "HS256", "b64": False}]
    forged = tokens(json_bytes(st.sampled_from(headers).flatmap(near)), keys)
    return st.one_of(spliced(forged).map(lambda data: data.decode("utf-8", "replace")), texts, st.text(max_size=200))


def is_signed(token: str) -> bool:
    """Whether the token ends with a signature by our key, read by hand."""
    try:
        signed_part, _, signature = token.encode().rpartition(b".")
        given_digest = base64.urlsafe_b64decode(signature + b"=" * (-len(signature) % 4))
    except ValueError:
        return False
    return hmac.compare_digest(hmac.new(settings.JWT_KEY.encode(), signed_part, hashlib.sha256).digest(), given_digest)


@pytest.mark.once
@SHORT
@given(st.one_of(any_token(), signed_by_us()), st.sampled_from([SOCKET_SCOPE, API_SCOPE]))
def test_a_token_has_claims_that_we_signed_or_is_refused(token: str, purpose: str) -> None:
    try:
        with at_most_calls(5_000 + 2 * len(token)):
            claims = read_claims(token, purpose)
    except (BadToken, NoSubject) as refused:
        assert len(token) < 20 or token not in str(refused)
        return
    assert len(token) <= limits.MAX_TOKEN_BYTES
    assert is_signed(token)
    assert isinstance(claims["sub"], str)
    words = set(claims["scope"].split()) if isinstance(claims.get("scope"), str) else set()
    assert "worker" not in words
    assert purpose in words or not words & {SOCKET_SCOPE, API_SCOPE}
    assert read_claims(token, purpose) == claims


@pytest.mark.django_db
@SLOW
@given(signed_by_us())
def test_a_signed_token_over_http_finds_a_user_or_is_unauthorized(token: str) -> None:
    with rolled_back():
        make_world()
        try:
            SocketBearer().authenticate(HttpRequest(), token)
        except HttpProblem as refused:
            assert refused.status_code == 401


@pytest.mark.django_db
@SLOW
@given(texts)
def test_a_worker_token_is_found_by_its_text_only(text: str) -> None:
    with rolled_back():
        world = make_world()
        for guess in (text, f"rwk_{text}", world.secret + text, text + world.secret, world.secret[:-1] + text):
            found = find_token(guess)
            assert (found == world.token) == (guess == world.secret)


names = st.sampled_from([b"authorization", b"cookie", b"origin", b"host", b"x-forwarded-host", b"x-forwarded-proto"])
VALUES = [
    b"Bearer a",
    b"bearer",
    b"Bearer  ",
    b'sessionid="\\000a"',
    b"sessionid=a; b",
    b"https://h",
    b"h",
    b"=;=",
    b"",
]
scopes = st.fixed_dictionaries(
    {
        "headers": st.lists(st.tuples(names, spliced(st.sampled_from(VALUES))), max_size=5),
        "subprotocols": st.lists(st.sampled_from(["bearer", "", "a", "bearer\0"]) | texts, max_size=3),
        "query_string": spliced(st.sampled_from([b"token=a", b"token", b"token=%ff&token=b", b"a=b;c", b""])),
    }
)


@pytest.mark.once
@SHORT
@given(scopes)
def test_the_credentials_of_a_handshake_are_read_or_it_is_refused(scope: dict[str, Any]) -> None:
    try:
        with at_most_calls(2_000 + 10 * sum(len(value) for _, value in scope["headers"])):
            found = _read_credentials(scope)
    except HandshakeRefused:
        return
    assert isinstance(found, Credentials)
    assert found.session_key is None or "\0" not in found.session_key
    assert (found.token is not None) or "bearer" not in scope["subprotocols"]
    assert _read_credentials(scope) == found
