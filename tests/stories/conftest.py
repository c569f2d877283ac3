"""Fixtures for end-to-end tests: doors, and servers that can be killed."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pytest_django import Settings

from realtime.hub import registry
from tests.realtime.conftest import counted, execution, graph, live_client, other_user, user
from tests.realtime.layers import redis_layer
from tests.servers import Nginx, NotInstalledError, Redis
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
    """Each kind of door in turn. At the end, the log of a server must have no traceback."""
    if request.param == "asgi":
        door: doors.Door = doors.AsgiDoor()
        yield door
        await door.leave()
        if hub := registry.hub_of_this_loop():
            await registry.stop(hub)
    else:
        server = servers.get(request.param)
        before = len(server.output)
        door = doors.ServerDoor(server)
        yield door
        await door.leave()
        assert "Traceback" not in server.output[before:], server.output[before:]


StartNginx = Callable[..., Nginx]


@pytest.fixture
def pair(
    request: pytest.FixtureRequest,
    transactional_db: None,
    servers: doors.Servers,
    redis_server: Redis,
    settings: Settings,
) -> Iterator[list[doors.LiveServer]]:
    """Two server processes as behind a proxy, on the Redis of the tests. An indirect parameter sets their limits."""
    servers.need_a_client()
    settings.CHANNEL_LAYERS = layers = redis_layer(redis_server.url)
    how: dict[str, Any] = {"options": ["--proxy-headers"], "layers": layers, "limits": getattr(request, "param", None)}
    with ExitStack() as life:
        pair = [doors.LiveServer(**how, BEHIND_PROXY="true") for _ in range(2)]
        for server in pair:
            server.begin()
        for server in pair:
            life.enter_context(server)
        yield pair
        for server in pair:
            assert "Traceback" not in server.output, server.output


@pytest.fixture
def start_nginx(pair: list[doors.LiveServer]) -> Iterator[StartNginx]:
    with ExitStack() as life:

        def start(*, tls: bool = False) -> Nginx:
            try:
                return life.enter_context(Nginx(pair, tls=tls))
            except NotInstalledError as missing:
                pytest.skip(str(missing))

        yield start


@pytest.fixture
async def proxy_door(start_nginx: StartNginx) -> AsyncIterator[doors.ProxyDoor]:
    door = doors.ProxyDoor(start_nginx())
    yield door
    await door.leave()
