"""The system checks of the settings."""

from typing import Any

import pytest
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.checks import run_checks
from pytest_django import Settings

from executions import access_policies
from executions.access_policies import OwnersAndStaff, TeamsOfGroups
from tests.executions.teams import TEAMS


class Incomplete:
    def executions(self, user: Any) -> Any: ...


class Raises(OwnersAndStaff):
    def __init__(self) -> None:
        raise LookupError("no tenant")


class OwnTeams(TeamsOfGroups):
    def teams(self, user: Any) -> list[str]:
        return []


class WithoutGroups:
    """A user model that has none."""

    _meta = AbstractBaseUser._meta


def found() -> list[tuple[str | None, str]]:
    return [(each.id, each.msg) for each in run_checks(tags=["executions"]) if each.hint]


def use(settings: Settings, path: str) -> None:
    settings.EXECUTIONS = {"ACCESS": path}


@pytest.mark.parametrize("path", ["executions.access_policies.OwnersAndStaff", TEAMS])
def test_our_policies_pass(settings: Settings, path: str) -> None:
    use(settings, path)
    assert found() == []


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("executions.access_policies.Teams", 'does not define a "Teams"'),
        ("shop.access.Policy", "No module named 'shop'"),
        ("Policy", "doesn't look like a module path"),
        ("collections.OrderedDict", "is no subclass of OwnersAndStaff"),
        (f"{__name__}.Raises", "no tenant"),
        (f"{__name__}.Incomplete", "it lacks methods"),
    ],
)
def test_a_class_that_cannot_be_used_is_an_error_with_its_cure(settings: Settings, path: str, why: str) -> None:
    use(settings, path)
    ((id, message),) = found()
    assert id == "executions.E001"
    assert path in message
    assert why in message


def test_users_without_groups_have_no_teams_of_groups(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_policies, "get_user_model", lambda: WithoutGroups)
    use(settings, TEAMS)
    ((id, message),) = found()
    assert id == "executions.E002"
    assert "has no groups" in message
    use(settings, f"{__name__}.OwnTeams")
    assert found() == []
