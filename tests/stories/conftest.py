"""Fixtures for whole stories: doors, and servers that are killed."""

from collections.abc import AsyncIterator, Iterator

import pytest

from realtime.hub import hub_of_this_loop
from tests.realtime.conftest import counted, execution, graph, live_client, other_user, user
from tests.stories import doors

__all__ = ["counted", "execution", "graph", "live_client", "other_user", "user"]


@pytest.fixture(scope="session")
def servers(django_db_setup: None) -> Iterator[doors.Servers]:
    servers = doors.Servers()
    yield servers
    servers.close()


@pytest.fixture(params=doors.NAMES)
async def door(
    request: pytest.FixtureRequest, transactional_db: None, servers: doors.Servers
) -> AsyncIterator[doors.Door]:
    """Each way in, one after the other. A server's own log must hold no traceback afterwards."""
    if request.param == "asgi":
        door: doors.Door = doors.AsgiDoor()
        yield door
        await door.leave()
        if hub := hub_of_this_loop():
            await hub.stop()
    else:
        server = servers.get(request.param)
        before = len(server.output)
        door = doors.ServerDoor(server)
        yield door
        await door.leave()
        assert "Traceback" not in server.output[before:], server.output[before:]
