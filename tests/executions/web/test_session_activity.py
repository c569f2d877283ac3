"""Sessions that are used, and those that are not."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from executions.models import UserSession
from executions.web import sessions
from realtime.auth.handshake import CredentialsRefused, _find_session_user

HOUR = timedelta(hours=1)


def forget() -> None:
    """As if a minute had passed."""
    sessions._last_noted.clear()


def test_use_is_recorded_at_most_once_a_minute(page: Client) -> None:
    UserSession.objects.update(last_seen_at=timezone.now() - HOUR)
    page.get("/account/")
    assert UserSession.objects.get().last_seen_at < timezone.now() - HOUR / 2
    forget()
    page.get("/account/", REMOTE_ADDR="2001:db8::1", headers={"User-Agent": "Firefox on Linux"})
    row = UserSession.objects.get()
    assert row.last_seen_at > timezone.now() - HOUR / 2
    assert (row.address, row.browser) == ("2001:db8::1", "Firefox on Linux")


def test_a_session_from_before_the_list_appears_with_its_first_request(page: Client) -> None:
    UserSession.objects.all().delete()
    forget()
    page.get("/")
    assert UserSession.objects.get().session_key == page.session.session_key


@pytest.mark.parametrize("cookie", ["sessionid=unknown", 'sessionid="a\\000b"', "sessionid="])
def test_a_cookie_of_no_session_is_not_recorded(cookie: str, db: None) -> None:
    Client().get("/login/", headers={"Cookie": cookie})
    assert not UserSession.objects.exists()


def test_without_the_setting_use_does_not_write_the_session(page: Client) -> None:
    before = Session.objects.get().expire_date
    forget()
    page.get("/")
    assert Session.objects.get().expire_date == before


def test_an_idle_session_ends_for_pages_and_sockets(user: User, settings: Settings) -> None:
    settings.EXECUTIONS = {"SESSION_IDLE_TIMEOUT": 600.0}
    client = Client()
    client.force_login(user)
    now = timezone.now()
    assert now + timedelta(seconds=590) < Session.objects.get().expire_date < now + timedelta(seconds=610)
    Session.objects.update(expire_date=now + timedelta(seconds=5))
    forget()
    assert client.get("/").status_code == 200
    assert Session.objects.get().expire_date > now + timedelta(seconds=590)  # a request puts it off
    assert client.cookies["sessionid"]["max-age"] == 600
    key = client.session.session_key or ""
    assert _find_session_user(key).user == user
    Session.objects.update(expire_date=now)
    assert client.get("/").status_code == 302
    with pytest.raises(CredentialsRefused):
        _find_session_user(key)
