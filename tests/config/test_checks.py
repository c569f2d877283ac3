"""The checks of the site, which `manage.py check --deploy` runs."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.checks import CheckMessage, run_checks
from django.db import OperationalError, connection
from pytest_django import Settings

from config import checks


@pytest.fixture
def production(settings: Settings) -> Settings:
    settings.ALLOWED_HOSTS = ["runs.example.com"]
    settings.WHITENOISE_USE_FINDERS = False
    return settings


def found() -> list[CheckMessage]:
    messages = run_checks(tags=["config"], include_deployment_checks=True)
    assert all(message.hint for message in messages), "a message without a cure"
    return messages


def ids() -> list[str | None]:
    return [message.id for message in found()]


@pytest.mark.django_db(transaction=True)
def test_a_good_production_passes(production: Settings) -> None:
    assert ids() == []


@pytest.mark.django_db(transaction=True)
def test_a_site_that_only_this_machine_reaches_is_a_warning(production: Settings) -> None:
    production.ALLOWED_HOSTS = ["localhost", "[::1]"]
    assert ids() == ["config.W001"]
    production.ALLOWED_HOSTS = ["localhost", "runs.example.com"]
    assert ids() == []


@pytest.mark.django_db(transaction=True)
def test_a_demo_account_with_its_known_password_is_a_warning(production: Settings) -> None:
    admin = User.objects.create_superuser("admin", password="admin")
    User.objects.create_user("ada", password="a password of ada")
    User.objects.create_user("eve", password="eve")
    [message] = found()
    assert message.id == "config.W002"
    assert "The account admin has the password of the demo" in message.msg
    admin.set_unusable_password()
    admin.save()
    assert ids() == []


def test_a_database_that_does_not_answer_is_told_and_is_no_warning(
    production: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(names: list[str]) -> Any:
        raise OperationalError("no answer")

    monkeypatch.setattr(checks, "_password_hashes", fail)
    [message] = found()
    assert message.id == "config.I001"
    assert message.level < 30  # `--fail-level WARNING` passes


@pytest.mark.sqlite
def test_the_check_does_not_make_a_missing_database(
    production: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setitem(connection.settings_dict, "NAME", str(tmp_path / "missing.sqlite3"))
    assert ids() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.sqlite
@pytest.mark.django_db
def test_a_database_without_tables_has_no_accounts(
    production: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "empty.sqlite3").touch()
    monkeypatch.setitem(connection.settings_dict, "NAME", str(tmp_path / "empty.sqlite3"))
    assert ids() == []


@pytest.mark.django_db(transaction=True)
def test_static_files_that_are_not_collected_are_a_warning_with_debug_off(production: Settings) -> None:
    production.WHITENOISE_USE_FINDERS = True
    assert ids() == ["config.W003"]
    production.DEBUG = True
    assert ids() == []
