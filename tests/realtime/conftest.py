"""Fixtures for tests that hold a socket."""

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User

from executions.models import Graph, GraphExecution
from executions.services import start_execution
from realtime.bridge import access
from realtime.hub import registry
from realtime.metrics import counts
from realtime.publishing import announcer
from tests.realtime.clients import InProcess

ConnectClient = Callable[..., Awaitable[InProcess]]


@pytest.fixture
def user(transactional_db: None) -> User:
    """Without a password: hashing one takes a third of a second."""
    return get_user_model().objects.create_user("user")


@pytest.fixture
def other_user(transactional_db: None) -> User:
    return get_user_model().objects.create_user("other_user")


@pytest.fixture
def graph(user: User) -> Graph:
    return Graph.objects.create(owner=user, name="A graph")


@pytest.fixture
def execution(graph: Graph, user: User) -> GraphExecution:
    """QUEUED: the first event of its stream."""
    return start_execution(graph, user=user)


@pytest.fixture
async def live_client(transactional_db: None) -> AsyncIterator[ConnectClient]:
    """Connects clients: `client = await live_client(user)`. At the end the clients disconnect and the hub stops, before
    the tables are flushed."""
    clients: list[InProcess] = []

    async def connect(user: Any = None, path: str = "/ws", **how: Any) -> InProcess:
        client = InProcess(path, user=user, **how)
        clients.append(client)
        await client.connect()
        return client

    yield connect
    for client in clients:
        if not client.communicator.future.done():
            await client.disconnect()
    hub = registry.hub_of_this_loop()
    if hub:
        await registry.stop(hub)


class Counted:
    """What was counted since the test began: `counted["gaps_filled"]`."""

    def __init__(self) -> None:
        self._before = counts()

    def __getitem__(self, name: str) -> int:
        return counts().get(name, 0) - self._before.get(name, 0)


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The notices that somebody's access has changed, instead of sending them."""
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(announcer, "announce_access", lambda type, **fields: messages.append(fields))
    return messages


@pytest.fixture
def frozen_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The access check of an execution waits until the test sets the event."""
    event = threading.Event()
    find_execution = access.access.find_execution

    def wait_and_find(*args: Any, **kwargs: Any) -> Any:
        assert event.wait(60)
        return find_execution(*args, **kwargs)

    monkeypatch.setattr(access.access, "find_execution", wait_and_find)
    yield event
    event.set()
