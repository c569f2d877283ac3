"""Which pages may use the session cookie: the check of the Origin."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from realtime.auth.handshake import HandshakeRefused
from realtime.wire.close_codes import CloseCode
from tests.realtime.auth.test_handshake import HOST, PLACES, authenticate, cookie_of, refusal, scope, token_of

pytestmark = pytest.mark.django_db(transaction=True)


def may_connect(user: User, **how: Any) -> bool:
    """Whether a handshake is that of the user."""
    try:
        return bool(authenticate(scope(**how)) == user)
    except HandshakeRefused:
        return False


@pytest.fixture
def is_allowed(user: User) -> Callable[..., bool]:
    """Whether a page may use the user's cookie."""
    return partial(may_connect, user, cookie=cookie_of(user))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8000", "localhost:8000"),
        ("HTTP://LocalHost:8000", "localhost:8000"),
        ("http://localhost:8000", "LOCALHOST:8000"),
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("http://localhost", "localhost"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("http://[::1]", "[::1]"),
        (None, "localhost:8000"),
    ],
)
def test_own_pages_may_use_the_cookie(is_allowed: Callable[..., bool], origin: str | None, host: str) -> None:
    assert is_allowed(origin=origin, host=host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("null", HOST),
        ("", HOST),
        ("http://elsewhere.example", HOST),
        ("http://localhost:8001", HOST),
        ("http://localhost", HOST),
        ("https://localhost:8000", HOST),
        ("ws://localhost:8000", HOST),
        ("localhost:8000", HOST),
        ("http://localhost:8000.elsewhere.example", HOST),
        ("http://elsewhere.example/localhost:8000", HOST),
        ("http://localhost:8000/", HOST),
        ("http://user@localhost:8000", HOST),
        ("http://127.0.0.1:8000", HOST),
        # a foreign name whose DNS points here: Origin and Host agree, but the host is not allowed
        ("http://elsewhere.example", "elsewhere.example"),
        ("http://", ""),
        ("http://", None),
        ("http://localhost:8000", None),
        ("http://[", "["),
        ("http://[::1", "[::1"),
        ("http://local host", "local host"),
        ("http://é", "é"),
    ],
)
def test_foreign_pages_may_not_use_the_cookie(is_allowed: Callable[..., bool], origin: str, host: str | None) -> None:
    assert not is_allowed(origin=origin, host=host)


def test_listed_origins_may_use_the_cookie(is_allowed: Callable[..., bool], settings: Settings) -> None:
    settings.REALTIME = {"ALLOWED_ORIGINS": ["https://App.example:8443/", "http://plain.example"]}
    assert is_allowed(origin="https://app.example:8443")
    assert is_allowed(origin="http://plain.example")
    for foreign in (
        "http://app.example:8443",
        "https://app.example",
        "https://plain.example",
        "https://sub.app.example:8443",
        "null",
    ):
        assert not is_allowed(origin=foreign), foreign


def test_over_tls_the_origin_must_be_https(is_allowed: Callable[..., bool]) -> None:
    assert is_allowed(origin=f"https://{HOST}", scheme="wss")
    assert not is_allowed(origin=f"http://{HOST}", scheme="wss")
    assert not is_allowed(origin=f"https://{HOST}", scheme="ws")


def test_the_header_of_a_trusted_proxy_names_the_scheme(is_allowed: Callable[..., bool], settings: Settings) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    for header, scheme in (("https", "https"), ("https, http", "https"), ("http", "http"), ("http,https", "http")):
        sent = {"x-forwarded-proto": header}
        assert is_allowed(origin=f"{scheme}://{HOST}", headers=sent), header
        other = "http" if scheme == "https" else "https"
        assert not is_allowed(origin=f"{other}://{HOST}", headers=sent), header
    assert is_allowed(origin=f"http://{HOST}")


def test_the_header_of_a_proxy_is_ignored_without_the_setting(is_allowed: Callable[..., bool]) -> None:
    assert not is_allowed(origin=f"https://{HOST}", headers={"x-forwarded-proto": "https"})


def test_the_host_must_be_allowed(is_allowed: Callable[..., bool], settings: Settings) -> None:
    settings.ALLOWED_HOSTS = [".our.example"]
    assert is_allowed(origin="http://www.our.example", host="www.our.example")
    assert not is_allowed(origin=f"http://{HOST}", host=HOST)
    settings.ALLOWED_HOSTS = ["*"]
    assert is_allowed(origin=f"http://{HOST}", host=HOST)
    settings.ALLOWED_HOSTS, settings.DEBUG = [], True
    assert is_allowed(origin=f"http://{HOST}", host=HOST)
    settings.DEBUG = False
    assert not is_allowed(origin=f"http://{HOST}", host=HOST)


def test_a_foreign_page_without_a_cookie_has_no_credentials() -> None:
    assert refusal(scope(origin="http://elsewhere.example")) == CloseCode.NO_CREDENTIALS


# With a token


FOREIGN = "https://elsewhere.example"


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize(
    ("setting", "alone", "with_cookie"),
    [(None, True, False), ("with_cookie", True, False), ("always", False, False), ("never", True, True)],
)
def test_the_setting_says_when_the_page_with_a_token_is_checked(
    place: Callable[[str], dict[str, Any]],
    setting: str | None,
    alone: bool,
    with_cookie: bool,
    settings: Settings,
    user: User,
) -> None:
    if setting is not None:
        settings.REALTIME = {**settings.REALTIME, "CHECK_TOKEN_ORIGIN": setting}
    how, cookie = place(token_of(user)), cookie_of(user)
    assert may_connect(user, **how, origin=FOREIGN) is alone
    assert may_connect(user, **how, origin=FOREIGN, cookie=cookie) is with_cookie
    assert may_connect(user, **how, origin=FOREIGN, cookie="theme=dark") is alone
    assert may_connect(user, **how, cookie=cookie)
    assert may_connect(user, **how, origin=f"http://{HOST}", cookie=cookie)
    settings.REALTIME = {**settings.REALTIME, "ALLOWED_ORIGINS": [FOREIGN]}
    assert may_connect(user, **how, origin=FOREIGN, cookie=cookie)
