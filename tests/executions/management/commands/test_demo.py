"""`manage.py demo`."""

import re
from io import StringIO

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pytest_django import Settings

from executions.models import Graph

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _with_debug(settings: Settings) -> None:
    settings.DEBUG = True


def demo(*options: str) -> str:
    output = StringIO()
    call_command("demo", *options, stdout=output)
    return output.getvalue()


def test_a_user_and_an_admin_with_sample_graphs_are_created() -> None:
    said = demo()

    ada, admin = authenticate(username="ada", password="ada"), authenticate(username="admin", password="admin")
    assert isinstance(ada, User)
    assert isinstance(admin, User)
    assert (ada.is_staff, admin.is_staff, admin.is_superuser) == (False, True, True)
    assert set(Graph.objects.values_list("owner__username", "name")) == {
        (name, graph) for name in ("ada", "admin") for graph in ("Text insight", "Codebase census", "CSV profile")
    }
    assert said == (
        "Made the account ada, the graph “Text insight” of ada, the graph “Codebase census” of ada, "
        "the graph “CSV profile” of ada, the account admin, the graph “Text insight” of admin, "
        "the graph “Codebase census” of admin, the graph “CSV profile” of admin.\n"
        "Log in as ada / ada or admin / admin.\n"
    )


def test_a_second_call_changes_nothing() -> None:
    demo()
    before = list(User.objects.values()), list(Graph.objects.values())

    said = demo()

    assert (list(User.objects.values()), list(Graph.objects.values())) == before
    assert said.startswith("The demo accounts and their graphs are there already.\n")


def test_an_existing_account_keeps_its_password() -> None:
    User.objects.create_user("ada", password="something else")

    said = demo()

    assert authenticate(username="ada", password="something else")
    assert "Log in as admin / admin.\nada: the password stays as it was." in said


def test_without_debug_there_are_no_demo_accounts(settings: Settings) -> None:
    settings.DEBUG = False

    with pytest.raises(CommandError, match="with DEBUG only"):
        demo()

    assert not User.objects.exists()


@pytest.mark.parametrize("debug", [True, False])
def test_random_passwords_are_printed_and_known_ones_are_replaced(settings: Settings, debug: bool) -> None:
    demo()
    settings.DEBUG = debug

    said = demo("--random-passwords")

    words = dict(re.findall(r"(ada|admin) / ([\w-]{16})(?![\w-])", said))
    assert words.keys() == {"ada", "admin"}
    for name, word in words.items():
        user = User.objects.get(username=name)
        assert user.check_password(word)
        assert not user.check_password(name)


def test_a_random_password_is_made_once(settings: Settings) -> None:
    settings.DEBUG = False
    assert " / " in demo("--random-passwords")
    hashes = list(User.objects.values_list("password", flat=True))
    said = demo("--random-passwords")
    assert "ada and admin: the password stays as it was." in said
    assert list(User.objects.values_list("password", flat=True)) == hashes
