"""Access that ends, with servers of their own and a real Redis."""

from contextlib import ExitStack
from typing import Any
from urllib.request import Request, urlopen

import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser

from executions.models import GraphExecution
from executions.services import report_node
from tests.database import in_db
from tests.realtime.clients import Client
from tests.realtime.layers import redis_layer
from tests.servers import Redis
from tests.stories.doors import Door, LiveServer, ServerDoor, Servers
from tests.stories.test_base_protocol import watch
from tests.stories.test_two_processes import NEVER, Two

QUICK_TURNS = {"RECHECK_INTERVAL": 1.0}
ONLY_NOTICES = {**NEVER, "RECHECK_INTERVAL": 3_600.0}


def logged_in(user: User) -> Browser:
    browser = Browser()
    browser.force_login(user)
    return browser


async def connected(door: Door, browser: Browser) -> Client:
    return await door.client(headers=[("Cookie", f"sessionid={browser.cookies['sessionid'].value}")])


async def is_closed(client: Client, code: int) -> list[Any]:
    """The frames before the error with which the socket closes."""
    frames = await client.until(lambda frame: frame["method"] == "error")
    assert await client.close_code() == code
    return frames[:-1]


def log_out_and_work(browser: Browser, execution: GraphExecution) -> None:
    browser.post("/logout/")
    for number in range(20):
        report_node(execution, node_id=f"n{number}", status="QUEUED")


async def test_a_logout_closes_the_sockets_of_every_server(
    user: User, other_user: User, execution: GraphExecution, redis_server: Redis
) -> None:
    Servers.need_a_client()
    with ExitStack() as life:
        two = await in_db(Two)(life, layers=redis_layer(redis_server.url), limits=ONLY_NOTICES)
        browser, other = await in_db(logged_in)(user), await in_db(logged_in)(other_user)
        clients = [await connected(door, browser) for door in two.doors for _ in range(5)]
        others = [await connected(door, other) for door in two.doors]
        for client in clients:
            await watch(client, execution)
        # This process has no Redis: the first server takes the logout.
        page = two.doors[0].address
        cookie = f"sessionid={browser.cookies['sessionid'].value}; csrftoken={'a' * 32}"
        request = Request(f"http://{page}/logout/", b"", {"Cookie": cookie, "X-CSRFToken": "a" * 32})
        await in_db(lambda: urlopen(request, timeout=20).close())()
        for client in clients:
            assert await is_closed(client, 4001) == []
        for client in others:
            await client.ping()
        await two.leave()


@pytest.mark.parametrize("program", ["runwire", "daphne", "uvicorn"])
async def test_without_redis_the_next_check_in_turn_closes_them(
    user: User, execution: GraphExecution, program: str
) -> None:
    Servers.need_a_client()
    with ExitStack() as life:
        server = LiveServer(program, limits=QUICK_TURNS, REDIS_URL="")
        await in_db(server.begin)()
        await in_db(life.enter_context)(server)
        door = ServerDoor(server)
        browser = await in_db(logged_in)(user)
        client = await connected(door, browser)
        await watch(client, execution)
        await in_db(log_out_and_work)(browser, execution)
        await is_closed(client, 4001)
        await door.leave()
