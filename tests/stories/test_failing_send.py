"""A socket whose send fails because of a defect is closed with 1011, under each server."""

from collections.abc import Awaitable, Callable, Iterator

import pytest
from django.contrib.auth.models import User

from executions.services import notify_user
from tests.database import in_db
from tests.realtime.clients import Client
from tests.stories.doors import LiveServer, ServerDoor, Servers


@pytest.fixture(
    params=[
        ("runwire", "middleware"),
        ("runwire", "direct_sender"),
        ("daphne", "middleware"),
        ("uvicorn", "middleware"),
    ],
    ids="-".join,
)
def server(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[LiveServer]:
    """Serves one of the applications of failing_send.py."""
    Servers.need_a_client()
    program, application = request.param
    with LiveServer(program, application=f"tests.stories.failing_send:{application}") as server:
        yield server


async def by_event(client: Client, user: User) -> None:
    await in_db(notify_user)(user, type="info", event="fail")


async def by_heartbeat(client: Client, user: User) -> None:
    await client.send("heartbeat", "ping", id="fail")


async def by_answer(client: Client, user: User) -> None:
    await client.send("unsubscribe", {"graph_id": "none"}, id="fail")


async def test_a_socket_with_a_failing_send_is_closed_and_removed(
    server: LiveServer, user: User, other_user: User
) -> None:
    door = ServerDoor(server)
    ways: list[Callable[[Client, User], Awaitable[None]]] = [by_event, by_heartbeat, by_answer]
    for number, fail in enumerate(ways, 1):
        client, other = await door.client(user), await door.client(other_user)
        await client.ping()
        await fail(client, user)
        assert await client.close_code() == 1011, fail
        assert server.output.count("A socket cannot be sent to; it is closed") == number
        await other.ping()
        await in_db(notify_user)(other_user, type="info", event="goes on")
        assert (await other.frame())["data"] == {"type": "info", "event": "goes on"}
        await other.disconnect()
    assert server.output.count("ValueError: This sender is broken.") >= len(ways)
    await door.nothing_is_left()
