"""Several processes on one database: servers with and without announcements, and writers that are killed."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

import pytest
from django.conf import settings as project
from django.contrib.auth.models import User
from django.test import Client as Browser

from executions.models import Graph, GraphExecution
from executions.services import notify_user, report_execution, report_node
from realtime.hub.registry import hub_of_this_loop
from realtime.hub.sweep import sweep
from realtime.models import StreamEvent
from tests.conftest import address_of_test_database
from tests.database import in_db
from tests.realtime.clients import PATIENCE, Client
from tests.realtime.layers import layer_named, redis_layer
from tests.servers import Redis
from tests.servers.process import ROOT
from tests.stories.doors import LiveServer, ServerDoor, Servers
from tests.stories.test_base_protocol import watch, watch_graph

NEVER = {"SWEEP_INTERVAL": 3_600.0, "SWEEP_GRACE": 0.0}


class Two:
    """Two servers with the same settings, ours and stock Daphne, and the browser of an admin."""

    def __init__(self, life: ExitStack, **how: Any) -> None:
        servers = [LiveServer("runwire", **how), LiveServer("daphne", **how)]
        for server in servers:
            server.begin()
        for server in servers:
            life.enter_context(server)
        self.doors = [ServerDoor(server) for server in servers]

    async def clients(self, user: User) -> list[Client]:
        return [await door.client(user) for door in self.doors]

    async def leave(self) -> None:
        for door in self.doors:
            await door.leave()


LINKS: dict[str, Callable[[Redis], dict[str, Any]]] = {
    "no layer between them": lambda redis: {"REDIS_URL": ""},
    "Redis, pub/sub": lambda redis: {"layers": redis_layer(redis.url), "limits": NEVER},
    "Redis, core": lambda redis: {"layers": redis_layer(redis.url, "core.RedisChannelLayer", 30), "limits": NEVER},
    "a layer that drops everything": lambda redis: {"layers": layer_named("DropsEverything")},
}


@pytest.fixture(params=LINKS)
async def two(
    request: pytest.FixtureRequest, transactional_db: None, redis_server: Redis, servers: Servers
) -> AsyncIterator[Two]:
    servers.need_a_client()
    with ExitStack() as life:
        two = Two(life, **LINKS[request.param](redis_server))
        yield two
        await two.leave()
        for door in two.doors:
            assert "Traceback" not in door.server.output, door.server.output


class NoRedirects(HTTPRedirectHandler):
    def http_error_302(self, request: Any, response: Any, *args: Any) -> Any:
        return response


def terminate_in_admin(address: str, execution: GraphExecution) -> None:
    """Runs the terminate action in the admin of the server at this address."""
    browser = Browser()
    browser.force_login(User.objects.create_superuser("admin"))
    secret = "s" * 32
    cookies = {
        project.SESSION_COOKIE_NAME: browser.cookies[project.SESSION_COOKIE_NAME].value,
        project.CSRF_COOKIE_NAME: secret,
    }
    request = Request(
        f"http://{address}/admin/executions/graphexecution/",
        data=urlencode({"action": "terminate_selected", "_selected_action": str(execution.pk)}).encode(),
        headers={"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()), "X-CSRFToken": secret},
    )
    with build_opener(NoRedirects).open(request, timeout=PATIENCE) as response:
        assert response.status == 302


async def test_a_change_in_one_process_reaches_the_sockets_of_all(
    two: Two, user: User, graph: Graph, execution: GraphExecution
) -> None:
    clients = await two.clients(user)
    for client in clients:
        await watch(client, execution, after=1)
        await watch_graph(client, graph)
    await in_db(terminate_in_admin)(two.doors[0].address, execution)
    for client in clients:
        plain, numbered = sorted(await client.frames(2), key=len)
        assert plain["data"]["status"] == numbered["data"]["status"] == "TERMINATED"
        assert numbered["seq"] == 2


@pytest.fixture
def one(transactional_db: None, servers: Servers) -> Iterator[LiveServer]:
    servers.need_a_client()
    with LiveServer("runwire") as server:
        yield server


async def test_clients_of_a_killed_server_lose_nothing(one: LiveServer, user: User, execution: GraphExecution) -> None:
    client = await ServerDoor(one).client(user)
    answer = await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 0})
    await in_db(report_execution)(execution, status="RUNNING")
    last = [frame["seq"] for frame in await client.frames(2)][-1]
    one.kill()
    assert await client.close_code() == 1006
    for number in range(3):
        await in_db(report_node)(execution, node_id=f"n{number}", status="QUEUED")
    one.start()
    door = ServerDoor(one)
    again = await door.client(user)
    await watch(again, execution, after=last, epoch=answer["data"]["epoch"])
    assert [frame["seq"] for frame in await again.frames(3)] == [3, 4, 5]
    await door.leave()


# Writers that die

DIES = """
import os, signal, sys, django
from contextlib import nullcontext
django.setup()
from django.db import transaction
from executions.models import GraphExecution
from executions.services import report_execution
from realtime.publishing import after_commit, announcer, recording

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

owner, name = {
    "before the commit": (recording.transaction, "on_commit"),
    "between commit and numbering": (after_commit.AfterCommit, "__call__"),
    "between numbering and announcing": (announcer, "announce"),
    "between commit and announcing": (announcer, "announce"),
}[sys.argv[2]]
setattr(owner, name, die)
execution = GraphExecution.objects.get(pk=sys.argv[1])
# On its own, PostgreSQL commits it with its number.
with nullcontext() if sys.argv[2] == "between commit and announcing" else transaction.atomic():
    report_execution(execution, status="RUNNING")
"""


def change_and_die(execution: GraphExecution, moment: str) -> None:
    """Changes the execution in a process that is killed at this moment."""
    environment = {**os.environ, "DATABASE_URL": address_of_test_database()}
    writer = subprocess.run(
        [sys.executable, "-c", DIES, str(execution.pk), moment], cwd=ROOT, env=environment, timeout=PATIENCE
    )
    assert writer.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("moment", "numbered"),
    [
        ("between commit and numbering", 1),
        ("between numbering and announcing", 2),
        ("between commit and announcing", 2),
    ],
)
async def test_committed_changes_of_a_killed_writer_are_delivered_by_the_sweep(
    moment: str, numbered: int, live_client: Any, user: User, execution: GraphExecution, settings: Any
) -> None:
    settings.REALTIME = NEVER
    client = await live_client(user)
    await watch(client, execution, after=1)
    await in_db(change_and_die)(execution, moment)
    events = StreamEvent.objects.filter(stream__key__contains="graph_exec#")
    assert await in_db(events.count)() == numbered
    await sweep(hub_of_this_loop())
    frame = await client.frame()
    assert (frame["seq"], frame["data"]["status"]) == (2, "RUNNING")


async def test_committed_changes_of_a_killed_writer_are_replayed_to_later_clients(
    live_client: Any, user: User, execution: GraphExecution, settings: Any
) -> None:
    settings.REALTIME = NEVER
    await in_db(change_and_die)(execution, "between commit and numbering")
    client = await live_client(user)
    await watch(client, execution, after=0)
    assert [frame["data"]["status"] for frame in await client.frames(2)] == ["QUEUED", "RUNNING"]


async def test_uncommitted_changes_of_a_killed_writer_are_never_delivered(
    live_client: Any, user: User, execution: GraphExecution
) -> None:
    client = await live_client(user)
    await watch(client, execution, after=1)
    await in_db(change_and_die)(execution, "before the commit")
    await in_db(report_node)(execution, node_id="n", status="QUEUED")
    await in_db(notify_user)(user, type="info", event="hey")
    assert {frame["method"] for frame in await client.frames(2)} == {"node_execution_event", "notification"}
