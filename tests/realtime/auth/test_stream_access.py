"""Which streams a user may watch."""

import asyncio

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from executions.models import GraphExecution
from realtime.auth import stream_access
from realtime.auth.stream_access import stream_key
from realtime.wire.methods import WSMethod
from realtime.wire.requests import (
    BadRequest,
    Request,
    Subscribe,
    SubscribeGraphExec,
    SubscribeGraphExecs,
    SubscribeStream,
)
from tests.realtime.watching import key, refusal

pytestmark = pytest.mark.django_db(transaction=True)


# Streams of other apps


def owner_of_order(user: User, id: str) -> object:
    """The access function of another app."""
    return {"7": user.pk, "text": "somebody", "zero": 0}.get(id)


@pytest.fixture
def orders(settings: Settings) -> None:
    settings.REALTIME = {"STREAM_ACCESS": {"orders": f"{__name__}.owner_of_order"}}


@pytest.mark.usefixtures("orders")
def test_the_access_function_names_the_owner(user: User) -> None:
    assert key(user, SubscribeStream(kind="orders", id="7")) == f"{user.pk}|orders#7"
    assert key(user, SubscribeStream(kind="orders", id="text")) == "somebody|orders#text"
    assert key(user, SubscribeStream(kind="orders", id="zero")) == "0|orders#zero"


@pytest.mark.usefixtures("orders")
@pytest.mark.parametrize(("kind", "id"), [("orders", "8"), ("others", "7"), ("graph_exec", "7"), ("graph", "7")])
def test_an_unknown_or_foreign_stream_is_not_found(user: User, kind: str, id: str) -> None:
    assert refusal(user, SubscribeStream(kind=kind, id=id)) == "Stream not found"


def test_without_the_setting_no_app_stream_is_found(user: User) -> None:
    assert refusal(user, SubscribeStream(kind="orders", id="7")) == "Stream not found"


# Requests at the same time


async def test_each_user_gets_the_answer_for_this_user(user: User, other_user: User, execution: GraphExecution) -> None:
    data = SubscribeGraphExec(graph_exec_id=str(execution.pk))
    method = WSMethod.SUBSCRIBE_GRAPH_EXEC
    answers = await asyncio.gather(
        *(stream_key(each, Request(method, str(number), data)) for number, each in enumerate([user, other_user] * 2)),
        return_exceptions=True,
    )
    assert answers[0] == answers[2] == f"{user.pk}|graph_exec#{execution.pk}"
    assert [(type(each), each.id) for each in answers[1::2] if isinstance(each, BadRequest)] == [
        (BadRequest, "1"),
        (BadRequest, "3"),
    ]


async def test_only_requests_of_the_same_user_for_the_same_stream_share_a_read(
    user: User, execution: GraphExecution, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, Subscribe]] = []
    real = stream_access._find_key

    def counted(user: User, data: Subscribe) -> str | None:
        asked.append((id(user), data))
        return real(user, data)

    monkeypatch.setattr(stream_access, "_find_key", counted)
    again = await User.objects.aget(pk=user.pk)  # read again, so its permissions may differ
    execution_data, graph_data = (
        SubscribeGraphExec(graph_exec_id=str(execution.pk)),
        SubscribeGraphExecs(graph_id=str(execution.graph_id)),
    )
    await asyncio.gather(
        stream_key(user, Request(WSMethod.SUBSCRIBE_GRAPH_EXEC, "1", execution_data)),
        stream_key(user, Request(WSMethod.SUBSCRIBE_GRAPH_EXEC, "2", execution_data)),
        stream_key(again, Request(WSMethod.SUBSCRIBE_GRAPH_EXEC, "3", execution_data)),
        stream_key(user, Request(WSMethod.SUBSCRIBE_GRAPH_EXECS, "4", graph_data)),
    )
    assert len(asked) == 3
    for read in ((id(user), execution_data), (id(again), execution_data), (id(user), graph_data)):
        assert read in asked
