"""The rules of access to executions and graphs."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User

from executions.access import (
    as_uuid,
    executions_visible_to,
    find_execution,
    find_graph,
    find_watchable_graph,
    graphs_visible_to,
)
from executions.models import Graph, GraphExecution

pytestmark = pytest.mark.django_db


def may_view(user: User, *models: str) -> User:
    user.user_permissions.set(Permission.objects.filter(codename__in=[f"view_{model}" for model in models]))
    return User.objects.get(pk=user.pk)  # permissions are cached on the instance


def sees(user: Any, execution: GraphExecution) -> tuple[bool, bool]:
    """Whether the user sees the execution and its graph. Lists and single lookups must agree."""
    found = find_execution(user, str(execution.pk)), find_graph(user, str(execution.graph_id))
    assert list(executions_visible_to(user)) == [each for each in found[:1] if each]
    assert list(graphs_visible_to(user)) == [each for each in found[1:] if each]
    return found[0] is not None, found[1] is not None


def test_the_owner_sees_both(execution: GraphExecution, user: User) -> None:
    assert sees(user, execution) == (True, True)


def test_the_user_of_an_execution_does_not_see_the_graph_of_another_user(
    graph: Graph, user: User, other_user: User
) -> None:
    execution = GraphExecution.objects.create(graph=graph, user=other_user)
    assert sees(other_user, execution) == (True, False)
    assert sees(user, execution) == (False, True)


def test_a_watchable_graph_is_one_that_the_user_sees_or_has_executions_of(
    graph: Graph, user: User, other_user: User
) -> None:
    assert find_watchable_graph(user, graph.pk) == graph
    assert find_watchable_graph(other_user, graph.pk) is None
    GraphExecution.objects.create(graph=graph, user=other_user)
    assert find_watchable_graph(other_user, str(graph.pk)) == graph
    for nothing in (None, "", "no uuid", uuid4()):
        assert find_watchable_graph(other_user, nothing) is None
    assert find_watchable_graph(AnonymousUser(), graph.pk) is None


def test_other_users_see_nothing(execution: GraphExecution, other_user: User) -> None:
    for other in (other_user, AnonymousUser(), None):
        assert sees(other, execution) == (False, False)


def test_staff_with_the_view_permission_see_all_rows(execution: GraphExecution, other_user: User) -> None:
    other_user.is_staff = True
    other_user.save()
    assert sees(other_user, execution) == (False, False)
    assert sees(may_view(other_user, "graphexecution"), execution) == (True, False)
    assert sees(may_view(other_user, "graph"), execution) == (False, True)
    assert sees(may_view(other_user, "graph", "graphexecution"), execution) == (True, True)


def test_the_view_permission_is_not_enough_for_a_user_who_is_not_staff(
    execution: GraphExecution, other_user: User
) -> None:
    assert sees(may_view(other_user, "graph", "graphexecution"), execution) == (False, False)


def test_an_active_superuser_on_the_staff_sees_all(execution: GraphExecution, other_user: User) -> None:
    other_user.is_superuser = other_user.is_staff = True
    assert sees(other_user, execution) == (True, True)
    other_user.is_active = False
    assert sees(other_user, execution) == (False, False)


def test_an_inactive_owner_sees_nothing(execution: GraphExecution, user: User) -> None:
    user.is_active = False
    assert sees(user, execution) == (False, False)


@pytest.mark.parametrize(
    "id",
    [
        None,
        "",
        "graph-exec-1",
        1,
        1.5,
        b"x",
        [],
        {},
        "x" * 100_000,
        "\x00",
        "\ud800",
        "' OR 1=1 --",
        pytest.param(str(uuid4()), id="of nothing"),
    ],
)
def test_a_value_that_is_not_a_uuid_finds_nothing(execution: GraphExecution, user: User, id: Any) -> None:
    assert find_execution(user, id) is None
    assert find_graph(user, id) is None


def test_an_id_is_found_in_every_spelling(execution: GraphExecution, user: User) -> None:
    for id in (execution.pk, str(execution.pk), str(execution.pk).upper(), execution.pk.hex):
        assert find_execution(user, id) == execution
        assert as_uuid(id) == execution.pk
