"""Who may watch which stream."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser, Permission, User
from pytest_django import Settings

from executions.models import Graph, GraphExecution
from realtime.auth import stream_access
from realtime.auth.stream_access import stream_key
from realtime.wire.methods import WSMethod
from realtime.wire.requests import (
    BadRequest,
    Request,
    Subscribe,
    SubscribeGraphExec,
    SubscribeGraphExecs,
    SubscribeNotifications,
    SubscribeStream,
)

pytestmark = pytest.mark.django_db(transaction=True)

METHODS = {
    SubscribeGraphExec: WSMethod.SUBSCRIBE_GRAPH_EXEC,
    SubscribeGraphExecs: WSMethod.SUBSCRIBE_GRAPH_EXECS,
    SubscribeStream: WSMethod.SUBSCRIBE_STREAM,
    SubscribeNotifications: WSMethod.SUBSCRIBE_NOTIFICATIONS,
}


def key(user: Any, wish: Subscribe) -> str:
    return async_to_sync(stream_key)(user, Request(METHODS[type(wish)], "7", wish))


def refusal(user: Any, wish: Subscribe) -> str:
    with pytest.raises(BadRequest) as refused:
        key(user, wish)
    assert refused.value.id == "7"
    return str(refused.value)


@pytest.fixture
def staff(transactional_db: None) -> User:
    """Staff that may view executions and graphs."""
    user = User.objects.create(username="staff", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(
            codename__in=("view_graphexecution", "view_graph"), content_type__app_label="executions"
        )
    )
    return User.objects.get(pk=user.pk)


def test_owners_may_watch_what_is_theirs(user: User, graph: Graph, execution: GraphExecution) -> None:
    assert key(user, SubscribeGraphExec(graph_exec_id=str(execution.pk))) == f"{user.pk}|graph_exec#{execution.pk}"
    assert key(user, SubscribeGraphExecs(graph_id=str(graph.pk))) == f"{user.pk}|graph#{graph.pk}|executions"
    assert key(user, SubscribeNotifications()) == f"{user.pk}|notifications"


def test_the_stream_is_the_same_however_the_id_is_spelt(user: User, execution: GraphExecution) -> None:
    for spelt in (execution.pk.hex, str(execution.pk).upper(), f"{{{execution.pk}}}"):
        assert key(user, SubscribeGraphExec(graph_exec_id=spelt)) == f"{user.pk}|graph_exec#{execution.pk}"


def test_what_is_not_there_and_what_is_not_yours_are_refused_alike(
    other_user: User, graph: Graph, execution: GraphExecution
) -> None:
    for id in (str(execution.pk), str(uuid4()), "graph-exec-1", "", "é", "\ud800", "a|b#c", "1" * 200):
        wish = SubscribeGraphExec.model_construct(graph_exec_id=id)
        assert refusal(other_user, wish) == "Graph execution not found"
    for id in (str(graph.pk), str(uuid4()), "test_graph"):
        assert refusal(other_user, SubscribeGraphExecs(graph_id=id)) == "Graph not found"


def test_staff_may_watch_an_execution_on_its_owners_stream(user: User, staff: User, execution: GraphExecution) -> None:
    assert key(staff, SubscribeGraphExec(graph_exec_id=str(execution.pk))) == f"{user.pk}|graph_exec#{execution.pk}"


def test_a_graphs_executions_are_the_subscribers_own(staff: User, graph: Graph) -> None:
    assert key(staff, SubscribeGraphExecs(graph_id=str(graph.pk))) == f"{staff.pk}|graph#{graph.pk}|executions"


def test_staff_without_the_permission_may_not(other_user: User, execution: GraphExecution) -> None:
    other_user.is_staff = True
    other_user.save()
    assert refusal(other_user, SubscribeGraphExec(graph_exec_id=str(execution.pk))) == "Graph execution not found"


def test_who_is_inactive_or_nobody_may_watch_nothing(user: User, execution: GraphExecution) -> None:
    user.is_active = False
    for nobody in (user, AnonymousUser()):
        assert refusal(nobody, SubscribeGraphExec(graph_exec_id=str(execution.pk))) == "Graph execution not found"


# Streams of other apps


def owner_of_order(user: User, id: str) -> object:
    """The access function of an app."""
    return {"7": user.pk, "text": "somebody", "zero": 0}.get(id)


@pytest.fixture
def orders(settings: Settings) -> None:
    settings.REALTIME = {"STREAM_ACCESS": {"orders": f"{__name__}.owner_of_order"}}


@pytest.mark.usefixtures("orders")
def test_an_app_says_whose_a_stream_is(user: User) -> None:
    assert key(user, SubscribeStream(kind="orders", id="7")) == f"{user.pk}|orders#7"
    assert key(user, SubscribeStream(kind="orders", id="text")) == "somebody|orders#text"
    assert key(user, SubscribeStream(kind="orders", id="zero")) == "0|orders#zero"


@pytest.mark.usefixtures("orders")
@pytest.mark.parametrize(("kind", "id"), [("orders", "8"), ("others", "7"), ("graph_exec", "7"), ("graph", "7")])
def test_a_stream_that_is_unknown_or_not_yours_is_not_found(user: User, kind: str, id: str) -> None:
    assert refusal(user, SubscribeStream(kind=kind, id=id)) == "Stream not found"


def test_without_the_setting_there_are_no_other_streams(user: User) -> None:
    assert refusal(user, SubscribeStream(kind="orders", id="7")) == "Stream not found"


# Who asks at the same time


async def test_each_gets_his_own_answer(user: User, other_user: User, execution: GraphExecution) -> None:
    wish = SubscribeGraphExec(graph_exec_id=str(execution.pk))
    method = WSMethod.SUBSCRIBE_GRAPH_EXEC
    answers = await asyncio.gather(
        *(stream_key(who, Request(method, str(number), wish)) for number, who in enumerate([user, other_user] * 2)),
        return_exceptions=True,
    )
    assert answers[0] == answers[2] == f"{user.pk}|graph_exec#{execution.pk}"
    assert [(type(each), each.id) for each in answers[1::2] if isinstance(each, BadRequest)] == [
        (BadRequest, "1"),
        (BadRequest, "3"),
    ]


async def test_only_the_same_user_and_the_same_stream_share_a_reading(
    user: User, execution: GraphExecution, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, Subscribe]] = []
    real = stream_access._find

    def counted(user: User, data: Subscribe) -> str | None:
        asked.append((id(user), data))
        return real(user, data)

    monkeypatch.setattr(stream_access, "_find", counted)
    again = await User.objects.aget(pk=user.pk)  # may have other rights by now
    execution_wish, graph_wish = (
        SubscribeGraphExec(graph_exec_id=str(execution.pk)),
        SubscribeGraphExecs(graph_id=str(execution.graph_id)),
    )
    await asyncio.gather(
        stream_key(user, Request(WSMethod.SUBSCRIBE_GRAPH_EXEC, "1", execution_wish)),
        stream_key(user, Request(WSMethod.SUBSCRIBE_GRAPH_EXEC, "2", execution_wish)),
        stream_key(again, Request(WSMethod.SUBSCRIBE_GRAPH_EXEC, "3", execution_wish)),
        stream_key(user, Request(WSMethod.SUBSCRIBE_GRAPH_EXECS, "4", graph_wish)),
    )
    assert len(asked) == 3
    for question in ((id(user), execution_wish), (id(again), execution_wish), (id(user), graph_wish)):
        assert question in asked
