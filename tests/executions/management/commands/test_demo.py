"""`manage.py demo`."""

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


def demo() -> str:
    output = StringIO()
    call_command("demo", stdout=output)
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

    demo()

    assert authenticate(username="ada", password="something else")


def test_without_debug_there_are_no_demo_accounts(settings: Settings) -> None:
    settings.DEBUG = False

    with pytest.raises(CommandError, match="with DEBUG only"):
        demo()

    assert not User.objects.exists()
