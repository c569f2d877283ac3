"""The publicly known passwords of the demo accounts open nothing when DEBUG is off."""

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from executions.samples import DEMO_ACCOUNTS

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("name", "password"), DEMO_ACCOUNTS.items())
def test_they_open_nothing_with_debug_off(client: Client, settings: Settings, name: str, password: str) -> None:
    User.objects.create_superuser(name, password=password)
    assert authenticate(username=name, password=password) is None
    for page in ("/login/", "/admin/login/"):
        assert "Please enter" in client.post(page, {"username": name, "password": password}).content.decode()
    assert "sessionid" not in client.cookies
    settings.DEBUG = True
    assert authenticate(username=name, password=password)


def test_other_passwords_and_other_accounts_are_not_affected() -> None:
    User.objects.create_user("ada", password="a password of ada")
    User.objects.create_user("eve", password="ada")
    assert authenticate(username="ada", password="a password of ada")
    assert authenticate(username="eve", password="ada")


def test_a_session_needs_no_other_backend(client: Client, user: User) -> None:
    client.force_login(user)
    assert client.get("/notifications/").status_code == 200
