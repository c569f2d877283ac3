"""The policies: what each answers, and what a class of a project gets without saying so."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from executions.access_policies import OwnersAndStaff, TeamsOfGroups, policy
from tests.executions.teams import TEAMS, Team, team

__all__ = ["team"]


class Everybody(OwnersAndStaff):
    """Sees every execution."""

    def executions(self, user: Any) -> Q:
        return Q(attempt__gte=1)


class Fast(Everybody):
    owners_see_theirs = True


class Assigns(OwnersAndStaff):
    def may_assign(self, user: Any, organization_id: str | None, team_id: str | None) -> bool:
        return True


def test_the_setting_names_the_policy(settings: Settings) -> None:
    assert type(policy()) is OwnersAndStaff
    settings.EXECUTIONS = {"ACCESS": TEAMS}
    assert type(policy()) is TeamsOfGroups
    assert policy() is policy()


def test_a_class_that_overrides_what_is_seen_gets_the_careful_answers() -> None:
    for known, flags in (
        (OwnersAndStaff, (True, False)),
        (TeamsOfGroups, (True, True)),
        (Everybody, (False, True)),
        (Assigns, (True, False)),
        (Fast, (True, True)),
    ):
        assert (known.owners_see_theirs, known.reads_teams) == flags


@pytest.mark.django_db
def test_by_default_only_staff_who_may_change_graphs_assign_teams(user: User, other_user: User) -> None:
    other_user.is_staff = True
    other_user.save()
    other_user.user_permissions.add(Permission.objects.get(codename="change_graph"))
    staff = User.objects.get(pk=other_user.pk)
    rights = OwnersAndStaff()
    assert rights.may_assign(user, None, None)
    assert not rights.may_assign(user, None, "1")
    assert not rights.may_assign(user, "org", None)
    assert rights.may_assign(staff, "org", "1")
    staff.is_staff = False
    assert not rights.may_assign(staff, None, "1")


def test_members_assign_their_own_teams(team: Team) -> None:
    rights = TeamsOfGroups()
    own = str(team.group.pk)
    assert rights.may_assign(team.member, None, own)
    assert rights.may_assign(team.outsider, None, None)
    assert not rights.may_assign(team.member, "org", own)
    for foreign in (str(Group.objects.get(name="sports").pk), "0", "", f" {own}", "none"):
        assert not rights.may_assign(team.member, None, foreign)


def test_a_user_who_is_not_in_the_database_has_no_teams() -> None:
    guest = SimpleNamespace(pk="guest:1", is_staff=False)
    rights = TeamsOfGroups()
    rights.prepare([guest])
    assert rights.executions(guest) == Q(user="guest:1")


def test_a_group_is_read_for_many_users_at_once_and_newly_each_time(team: Team) -> None:
    rights, users = TeamsOfGroups(), [team.owner, team.member, team.outsider]
    with CaptureQueriesContext(connection) as queries:
        rights.prepare(users)
        assert rights.executions(team.member) == Q(user=team.member.pk) | Q(team_id=str(team.group.pk))
        assert rights.graphs(team.member) == Q(owner=team.member.pk) | Q(team_id=str(team.group.pk))
    assert len(queries) == 1
    Group.objects.get(pk=team.group.pk).user_set.remove(team.member)
    rights.prepare(users)
    assert rights.teams(team.member) == []
    rights.prepare([])
