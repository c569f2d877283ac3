"""The sessions of a person: recorded at the login, listed, ended."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from executions.models import UserSession
from executions.web import sessions


def login(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.session.session_key or ""


def test_each_login_is_recorded(user: User) -> None:
    first, second = login(user), login(user)
    shown = sessions.sessions_of(user, second)
    assert {each.row.session_key for each in shown} == {first, second}
    assert [each.row.session_key for each in shown if each.is_current] == [second]


def test_a_logout_removes_the_session(user: User) -> None:
    client = Client()
    client.force_login(user)
    client.post("/logout/")
    assert not UserSession.objects.exists()


def test_sessions_of_others_are_not_listed_or_ended(user: User, other_user: User) -> None:
    login(user)
    foreign = UserSession.objects.get().pk
    assert sessions.sessions_of(other_user, None) == []
    assert not sessions.end_session(other_user, foreign)
    assert sessions.end_other_sessions(other_user, None) == 0
    assert sessions.end_session(user, foreign)
    assert not Session.objects.exists()


def test_a_session_that_is_no_longer_valid_is_not_listed(user: User) -> None:
    ended, expired, valid = login(user), login(user), login(user)
    Session.objects.get(pk=ended).delete()
    Session.objects.filter(pk=expired).update(expire_date=timezone.now() - timedelta(days=1))
    assert [each.row.session_key for each in sessions.sessions_of(user, None)] == [valid]
    user.set_password("another password")
    user.save()
    assert sessions.sessions_of(user, None) == []
    assert not UserSession.objects.exists()


def test_rows_of_expired_sessions_are_removed_with_a_login(user: User, other_user: User, settings: Settings) -> None:
    login(other_user)
    UserSession.objects.update(last_seen_at=timezone.now() - timedelta(seconds=settings.SESSION_COOKIE_AGE + 1))
    key = login(user)
    assert [row.session_key for row in UserSession.objects.all()] == [key]


def test_a_login_beyond_the_limit_ends_the_oldest(user: User, settings: Settings) -> None:
    settings.EXECUTIONS = {"MAX_SESSIONS_OF_USER": 3}
    keys = [login(user) for _ in range(5)]
    assert {row.session_key for row in UserSession.objects.all()} == set(keys[2:])
    assert {row.pk for row in Session.objects.all()} == set(keys[2:])


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140 Safari/537.36 Edg/140", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18 Safari/604.1", "Safari on iPhone"),
        ("curl/8.5.0", "curl"),
        ("", "Unknown browser"),
        ("<script>", "Unknown browser"),
    ],
)
def test_a_browser_is_named_in_two_words(header: str, name: str) -> None:
    assert sessions.browser_name(header) == name


def test_odd_headers_and_addresses_are_stored_safely(user: User) -> None:
    client = Client()
    client.force_login(user)
    sessions._last_noted.clear()
    client.get("/account/", headers={"User-Agent": "a\0b\x1b[31m" + "x" * 5_000}, REMOTE_ADDR="unix:")
    row = UserSession.objects.get()
    assert (row.address, row.browser[:6], len(row.browser) <= 200) == (None, "ab[31m", True)
