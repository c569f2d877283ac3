"""Which change sends a notice, and which costs nothing."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.test import Client

pytestmark = pytest.mark.django_db(transaction=True)


def about(user: User) -> dict[str, Any]:
    """The notice that the access of one user has changed."""
    return {"users": [str(user.pk)]}


@pytest.fixture
def group(user: User) -> Group:
    group = Group.objects.create(name="watchers")
    group.user_set.add(user)
    group.permissions.set(Permission.objects.filter(codename="view_graph"))
    return group


@pytest.mark.parametrize("name", ["is_active", "is_staff", "is_superuser"])
@pytest.mark.parametrize("is_partial", [False, True])
def test_a_save_that_changes_access_sends_one(user: User, sent: list[Any], name: str, is_partial: bool) -> None:
    setattr(user, name, not getattr(user, name))
    user.save(update_fields=[name] if is_partial else None)
    assert sent == [about(user)]


def test_a_save_that_changes_nothing_of_access_sends_none(
    user: User, sent: list[Any], django_assert_num_queries: Any
) -> None:
    user.first_name = "Ada"
    with django_assert_num_queries(2):
        user.save()
    with django_assert_num_queries(1):
        user.save(update_fields=["last_login", "first_name"])
    User.objects.create_user("another")
    User(pk=user.pk, username="stale", is_staff=True, password=user.password).save()
    assert sent == [about(user)]


def test_a_login_sends_none_and_a_logout_does(user: User, sent: list[Any]) -> None:
    client = Client()
    client.force_login(user)
    assert sent == []
    client.post("/logout/")
    client.post("/logout/")
    assert sent == [about(user)] * 2  # of the logout, and of the end of its session


def test_a_rolled_back_save_sends_none(user: User, sent: list[Any]) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        user.is_active = False
        user.save()
        raise RuntimeError
    assert sent == []


@pytest.mark.parametrize("change", ["add", "remove", "clear"])
@pytest.mark.parametrize("side", ["user", "other"])
def test_groups_and_permissions_of_a_user(user: User, group: Group, sent: list[Any], change: str, side: str) -> None:
    permission = Permission.objects.get(codename="add_graph")
    if change != "add":
        user.user_permissions.add(permission)
    else:
        user.groups.clear()
    sent.clear()
    for mine, theirs in ((user.groups, group), (user.user_permissions, permission)):
        manager, other = (mine, theirs) if side == "user" else (theirs.user_set, user)
        getattr(manager, change)(*([] if change == "clear" else [other]))
    assert sent == [about(user)] * 2


@pytest.mark.parametrize("change", ["add", "remove", "clear"])
@pytest.mark.parametrize("side", ["group", "permission"])
def test_the_permissions_of_a_group_concern_its_users(
    user: User, group: Group, sent: list[Any], change: str, side: str
) -> None:
    permission = Permission.objects.get(codename="add_graph" if change == "add" else "view_graph")
    sent.clear()
    manager, other = (group.permissions, permission) if side == "group" else (permission.group_set, group)
    getattr(manager, change)(*([] if change == "clear" else [other]))
    assert sent == [about(user)]


def test_a_deleted_group_or_user(user: User, group: Group, sent: list[Any]) -> None:
    notice = about(user)
    sent.clear()
    group.delete()
    assert sent == [notice]
    sent.clear()
    user.delete()
    assert sent == [notice]
