"""Which hosts a socket may be opened for: those that pages are served for."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import DisallowedHost
from django.test import RequestFactory
from pytest_django import Settings

from realtime.auth.handshake import ForeignHost
from tests.realtime.auth.test_handshake import HOST, authenticate, cookie_of, scope, token_of

pytestmark = pytest.mark.django_db(transaction=True)
FOREIGN = [
    None,
    "",
    "elsewhere.example",
    "localhost.elsewhere.example",
    "localhost:80:80",
    "[",
    "[::1",
    "é",
    "a b",
    "*",
]


@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_or_missing_host_is_refused_whatever_the_credentials(user: User, host: str | None) -> None:
    for credentials in ({"cookie": cookie_of(user)}, {"authorization": f"Bearer {token_of(user)}"}, {"user": user}, {}):
        how: dict[str, Any] = credentials
        with pytest.raises(ForeignHost):
            authenticate(scope(host=host, **how))


@pytest.mark.parametrize("host", FOREIGN)
def test_nothing_is_read_for_it(django_assert_num_queries: Any, user: User, host: str | None) -> None:
    opened = scope(host=host, cookie=cookie_of(user))
    with django_assert_num_queries(0), pytest.raises(ForeignHost):
        authenticate(opened)


@pytest.mark.parametrize("host", ["localhost", "LocalHost:8000", "127.0.0.1:1", "[::1]:8000"])
def test_a_host_of_the_site_is_fine(user: User, host: str) -> None:
    assert authenticate(scope(host=host, authorization=f"Bearer {token_of(user)}")) == user


def test_two_hosts_are_none(user: User) -> None:
    opened = scope(authorization=f"Bearer {token_of(user)}")
    opened["headers"].append((b"host", HOST.encode()))
    with pytest.raises(ForeignHost):
        authenticate(opened)


@pytest.mark.parametrize("is_believed", [True, False])
def test_the_host_that_a_proxy_names_counts_where_the_settings_believe_it(
    user: User, settings: Settings, is_believed: bool
) -> None:
    """As for pages."""
    settings.ALLOWED_HOSTS, settings.USE_X_FORWARDED_HOST = ["our.example"], is_believed
    for host, forwarded in (("inner:8001", "our.example"), ("our.example", "elsewhere.example")):
        opened = scope(
            host=host, headers={"x-forwarded-host": forwarded}, cookie=cookie_of(user), origin="http://our.example"
        )
        request = RequestFactory().get("/", headers={"host": host, "x-forwarded-host": forwarded})
        expected = (forwarded if is_believed else host) == "our.example"
        if expected:
            assert authenticate(opened) == user
            assert request.get_host() == "our.example"
        else:
            with pytest.raises(ForeignHost):
                authenticate(opened)
            with pytest.raises(DisallowedHost):
                request.get_host()


def test_a_site_may_serve_every_host(user: User, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    assert authenticate(scope(host="any.example", authorization=f"Bearer {token_of(user)}")) == user
