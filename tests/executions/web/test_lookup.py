"""Which execution a page is about, and who may change it."""

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.test import RequestFactory

from executions.models import GraphExecution
from executions.web.lookup import get_changeable_execution, get_execution

pytestmark = pytest.mark.django_db


def request_of(user: User) -> HttpRequest:
    request = RequestFactory().get("/")
    request.user = user
    return request


def test_its_owner_finds_and_changes_it(user: User, execution: GraphExecution) -> None:
    for find in (get_execution, get_changeable_execution):
        assert find(request_of(user), str(execution.pk)) == execution
    found = get_execution(request_of(user), str(execution.pk), only=("status",))
    assert "inputs" in found.get_deferred_fields()


@pytest.mark.parametrize("id", ["00000000-0000-4000-8000-000000000000", "none", ""])
def test_what_does_not_exist_is_not_found(user: User, id: str) -> None:
    for find in (get_execution, get_changeable_execution):
        with pytest.raises(Http404):
            find(request_of(user), id)


def test_what_is_another_user_s_is_not_found_either(other_user: User, execution: GraphExecution) -> None:
    for find in (get_execution, get_changeable_execution):
        with pytest.raises(Http404):
            find(request_of(other_user), str(execution.pk))


def test_who_may_only_see_it_is_told_so(other_user: User, execution: GraphExecution) -> None:
    other_user.is_staff = True
    other_user.save()
    other_user.user_permissions.add(Permission.objects.get(codename="view_graphexecution"))
    assert get_execution(request_of(other_user), str(execution.pk)) == execution
    with pytest.raises(PermissionDenied):
        get_changeable_execution(request_of(other_user), str(execution.pk))
