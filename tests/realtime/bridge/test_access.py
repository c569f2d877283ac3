"""Which users may watch which executions and graphs."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from pytest_django import Settings

from executions.models import Graph, GraphExecution
from executions.services import start_execution
from realtime.bridge.access import keys_of_graph_exec, keys_of_graph_execs
from realtime.wire.requests import (
    SubscribeGraphExec,
    SubscribeGraphExecs,
    SubscribeNotifications,
)
from tests.executions.teams import TEAMS, make_team
from tests.realtime.watching import key, refusal

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def staff(transactional_db: None) -> User:
    """A staff user with the permissions to view executions and graphs."""
    user = User.objects.create(username="staff", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(
            codename__in=("view_graphexecution", "view_graph"), content_type__app_label="executions"
        )
    )
    return User.objects.get(pk=user.pk)


def test_owners_may_watch_their_streams(user: User, graph: Graph, execution: GraphExecution) -> None:
    assert key(user, SubscribeGraphExec(graph_exec_id=str(execution.pk))) == f"{user.pk}|graph_exec#{execution.pk}"
    assert key(user, SubscribeGraphExecs(graph_id=str(graph.pk))) == f"{user.pk}|graph#{graph.pk}|executions"
    assert key(user, SubscribeNotifications()) == f"{user.pk}|notifications"


def test_other_spellings_of_an_id_find_the_same_stream(user: User, execution: GraphExecution) -> None:
    for id in (execution.pk.hex, str(execution.pk).upper(), f"{{{execution.pk}}}"):
        assert key(user, SubscribeGraphExec(graph_exec_id=id)) == f"{user.pk}|graph_exec#{execution.pk}"


def test_missing_and_foreign_executions_get_the_same_error(
    other_user: User, graph: Graph, execution: GraphExecution
) -> None:
    for id in (str(execution.pk), str(uuid4()), "graph-exec-1", "", "é", "\ud800", "a|b#c", "1" * 200):
        data = SubscribeGraphExec.model_construct(graph_exec_id=id)
        assert refusal(other_user, data) == "Graph execution not found"
    for id in (str(graph.pk), str(uuid4()), "test_graph"):
        assert refusal(other_user, SubscribeGraphExecs(graph_id=id)) == "Graph not found"


def test_staff_may_watch_the_stream_of_the_owner(user: User, staff: User, execution: GraphExecution) -> None:
    assert key(staff, SubscribeGraphExec(graph_exec_id=str(execution.pk))) == f"{user.pk}|graph_exec#{execution.pk}"


def test_the_stream_of_a_graph_is_that_of_the_subscriber(staff: User, graph: Graph) -> None:
    assert key(staff, SubscribeGraphExecs(graph_id=str(graph.pk))) == f"{staff.pk}|graph#{graph.pk}|executions"


def test_the_graph_of_another_owner_may_be_watched_with_an_execution_of_it(
    user: User, other_user: User, graph: Graph, execution: GraphExecution
) -> None:
    data = SubscribeGraphExecs(graph_id=str(graph.pk))
    assert refusal(other_user, data) == "Graph not found"
    theirs = GraphExecution.objects.create(graph=graph, user=other_user)
    assert key(other_user, data) == f"{other_user.pk}|graph#{graph.pk}|executions"
    third = User.objects.create(username="third")
    assert refusal(third, data) == "Graph not found"
    assert refusal(other_user, SubscribeGraphExec(graph_exec_id=str(execution.pk))) == "Graph execution not found"
    other_user.is_active = False
    assert refusal(other_user, data) == "Graph not found"
    other_user.is_active = True
    theirs.delete()
    assert refusal(other_user, data) == "Graph not found"
    assert refusal(AnonymousUser(), data) == "Graph not found"


def test_staff_without_the_permission_may_not_watch(other_user: User, execution: GraphExecution) -> None:
    other_user.is_staff = True
    other_user.save()
    assert refusal(other_user, SubscribeGraphExec(graph_exec_id=str(execution.pk))) == "Graph execution not found"


def test_inactive_and_anonymous_users_may_watch_nothing(user: User, execution: GraphExecution) -> None:
    user.is_active = False
    for refused_user in (user, AnonymousUser()):
        assert refusal(refused_user, SubscribeGraphExec(graph_exec_id=str(execution.pk))) == "Graph execution not found"


def test_a_member_watches_the_stream_of_the_owner_and_his_own_of_a_graph(settings: Settings) -> None:
    settings.EXECUTIONS = {**settings.EXECUTIONS, "ACCESS": TEAMS}
    team = make_team()
    run, graph = (
        SubscribeGraphExec(graph_exec_id=str(team.execution.pk)),
        SubscribeGraphExecs(graph_id=str(team.graph.pk)),
    )
    of_owner = f"{team.owner.pk}|graph_exec#{team.execution.pk}"
    of_member = f"{team.member.pk}|graph#{team.graph.pk}|executions"
    assert key(team.member, run) == of_owner
    assert key(team.member, graph) == of_member
    for data, text in ((run, "Graph execution not found"), (graph, "Graph not found")):
        assert refusal(team.outsider, data) == text
    assert list(keys_of_graph_exec([(team.member, run), (team.outsider, run)])) == [of_owner, None]
    assert list(keys_of_graph_execs([(team.member, graph), (team.outsider, graph)])) == [of_member, None]


def test_many_are_answered_like_one(user: User, other_user: User, staff: User, execution: GraphExecution) -> None:
    start_execution(execution.graph, user=other_user)
    third = User.objects.create(username="third")
    everybody = [user, other_user, staff, third]
    run, graph = (
        SubscribeGraphExec(graph_exec_id=str(execution.pk)),
        SubscribeGraphExecs(graph_id=str(execution.graph_id)),
    )
    of_owner = f"{user.pk}|graph_exec#{execution.pk}"
    assert list(keys_of_graph_exec([(each, run) for each in everybody])) == [of_owner, None, of_owner, None]
    assert list(keys_of_graph_execs([(each, graph) for each in everybody])) == [
        *(f"{each.pk}|graph#{execution.graph_id}|executions" for each in everybody[:3]),
        None,
    ]
