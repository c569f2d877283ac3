"""The public keys that an identity provider publishes."""

import json

import pytest
from pytest_django import Settings

from realtime.auth.key_set import KeySet, download, read_keys
from tests.realtime.auth.identity_provider import IdentityProvider
from tests.waiting import until


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("realtime.auth.key_set.time", clock)
    return clock


def wait(keys: KeySet, kid: str | None) -> bool:
    """Whether there was something to wait for."""
    fetch = keys.fetch_for(kid)
    if fetch:
        fetch.result(10)
    return fetch is not None


def test_keys_are_read_once_and_kept(provider: IdentityProvider, clock: Clock) -> None:
    keys = KeySet(provider.url)
    assert keys.find("first") is None
    assert wait(keys, "first")
    assert not wait(keys, "first")
    assert keys.find("first")
    assert provider.requests == 1


def test_a_new_key_is_read_and_made_up_ones_cause_one_request_a_minute(
    provider: IdentityProvider, clock: Clock
) -> None:
    keys = KeySet(provider.url)
    wait(keys, "first")
    provider.add_key("second")
    assert not wait(keys, "second")  # the first reading was just now
    clock.now += 60
    assert wait(keys, "second")
    assert keys.find("second")
    for number in range(50):
        assert not wait(keys, f"made up {number}")
    assert provider.requests == 2


def test_an_old_set_is_read_again_while_its_keys_are_used(provider: IdentityProvider, clock: Clock) -> None:
    keys = KeySet(provider.url)
    wait(keys, "first")
    provider.keys.clear()
    provider.add_key("second")
    clock.now += 600
    provider.gate.clear()
    assert not wait(keys, "first")  # nobody waits for the provider
    assert keys.find("first")
    provider.gate.set()
    until(lambda: keys.find("second") is not None)
    assert keys.find("first") is None  # it was taken back


def test_while_the_provider_fails_its_keys_stay_for_a_day(provider: IdentityProvider, clock: Clock) -> None:
    keys = KeySet(provider.url)
    wait(keys, "first")
    provider.status = 503
    clock.now += 3_600
    keys.fetch_for("first")
    until(lambda: provider.requests == 2 and keys._fetch is None)
    assert keys.find("first")
    clock.now += 86_400
    assert keys.find("first") is None


def test_after_a_failure_it_is_asked_again_soon(provider: IdentityProvider, clock: Clock) -> None:
    keys = KeySet(provider.url)
    provider.status = 500
    assert wait(keys, "first")
    assert not wait(keys, "first")
    provider.status = 200
    clock.now += 10
    assert wait(keys, "first")
    assert keys.find("first")


def test_concurrent_readers_share_one_request(provider: IdentityProvider) -> None:
    keys = KeySet(provider.url)
    provider.gate.clear()
    fetches = [keys.fetch_for("first") for _ in range(20)]
    assert len({id(fetch) for fetch in fetches}) == 1
    provider.gate.set()
    assert fetches[0]
    fetches[0].result(10)
    assert provider.requests == 1


def test_without_an_id_the_only_key_counts(provider: IdentityProvider, clock: Clock) -> None:
    keys = KeySet(provider.url)
    wait(keys, None)
    assert keys.find(None) is keys.find("first")
    provider.add_key("second")
    clock.now += 600
    keys.fetch_for(None)
    until(lambda: keys.find("second") is not None)
    assert keys.find(None) is None


def test_an_answer_has_a_bound_and_no_redirect_is_followed(provider: IdentityProvider, settings: Settings) -> None:
    provider.body = b" " * (256 * 1024 + 1)
    with pytest.raises(ValueError, match="MAX_JWKS_BYTES"):
        download(provider.url)
    provider.status, provider.location = 302, "http://127.0.0.1:1/elsewhere"
    with pytest.raises(OSError, match="302"):
        download(provider.url)
    settings.REALTIME = {**settings.REALTIME, "JWKS_TIMEOUT": 0.05}
    provider.gate.clear()
    with pytest.raises(OSError, match="timed out"):
        download(provider.url)
    for url in ("http://login.example.com/jwks", "file:///etc/passwd"):
        with pytest.raises(ValueError, match="https"):
            download(url)


def test_only_public_keys_for_signatures_are_taken(provider: IdentityProvider) -> None:
    (key,) = json.loads(provider.published())["keys"]
    secret = {"kty": "oct", "kid": "secret", "k": "c2VjcmV0", "alg": "HS256"}
    disguised = {**secret, "kty": "RSA", "kid": "disguised"}
    for_encryption = {**key, "use": "enc", "kid": "encryption"}
    odd = [None, 5, [], {}, {**key, "kid": 5}, {**key, "kid": "curve", "crv": "P-1"}, {"kty": "RSA", "kid": "empty"}]
    assert list(read_keys(json.dumps({"keys": [secret, disguised, for_encryption, *odd, key]}).encode())) == ["first"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"keys": 5}', b'{"keys": []}', b"\xff", b"[" * 100_000, b"null"])
def test_an_answer_that_is_no_key_set_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json and this module raise it with other texts
        read_keys(body)
