"""The PostgreSQL connections of a server process: their number, and restarts and freezes of PostgreSQL."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any
from urllib.request import Request, urlopen

import psycopg
import pytest
from django.conf import settings as project
from django.contrib.auth.models import User
from django.test import Client as Browser

from executions.models import GraphExecution
from executions.services import report_node
from tests.conftest import address_of_test_database
from tests.database import in_db
from tests.realtime.clients import PATIENCE, Client, HandshakeRefused
from tests.servers import NotInstalledError, Postgres
from tests.servers.process import ROOT
from tests.stories.doors import LiveServer, ServerDoor, Servers
from tests.stories.test_base_protocol import watch

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(180)]

CLIENTS, PAGES = 300, 60
POOL = 12


def cookie_of(user: User) -> str:
    browser = Browser()
    browser.force_login(user)
    return f"{project.SESSION_COOKIE_NAME}={browser.cookies[project.SESSION_COOKIE_NAME].value}"


def status_of_page(address: str, cookie: str) -> int:
    request = Request(f"http://{address}/", headers={"Cookie": cookie})
    with urlopen(request, timeout=3 * PATIENCE) as page:
        status: int = page.status
        return status


class Watch:
    """Counts the connections with a name continuously; `peak` is the highest count."""

    def __init__(self, url: str, name: str) -> None:
        self.peak = 0
        self._url, self._name, self._is_over = url, name, threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
        with psycopg.connect(self._url, autocommit=True) as own:
            while not self._is_over.is_set():
                self.peak = max(self.peak, own.execute(count, [self._name]).fetchone()[0])  # type: ignore[index]

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join()


async def test_many_clients_and_pages_stay_within_the_connection_pool(
    transactional_db: None, servers: Servers, user: User, execution: GraphExecution
) -> None:
    servers.need_a_client()
    url = address_of_test_database()
    for number in range(20):
        await in_db(report_node)(execution, node_id=f"n{number}", status="QUEUED")
    cookie = await in_db(cookie_of)(user)
    storm = {"DATABASE_URL": f"{url}?application_name=storm", "DATABASE_POOL_SIZE": str(POOL)}
    with LiveServer(limits={"MAX_USER_CONNECTIONS": 0}, **storm) as server:
        door = ServerDoor(server)

        async def come() -> None:
            client = await door.client(user)
            await watch(client, execution, after=0)
            assert [frame["seq"] for frame in await client.frames(21)] == list(range(1, 22))

        with Watch(url, "storm") as watching:
            sockets = asyncio.gather(*(come() for _ in range(CLIENTS)))
            pages = asyncio.gather(*(asyncio.to_thread(status_of_page, door.address, cookie) for _ in range(PAGES)))
            await sockets
            assert set(await pages) == {200}
        await door.leave()
        assert "Traceback" not in server.output, server.output
    assert 1 < watching.peak <= POOL


BEGIN = """
import django, json
django.setup()
from django.contrib.auth import get_user_model
from django.core.management import call_command
from executions.models import Graph
from executions.services import start_execution
from tests.stories.test_postgres_connections import cookie_of
call_command("migrate", verbosity=0)
user = get_user_model().objects.create_user("user")
execution = start_execution(Graph.objects.create(owner=user, name="A graph"), user=user)
print(json.dumps({"user": user.pk, "execution": str(execution.pk), "cookie": cookie_of(user)}))
"""
REPORT = """
import django, sys
django.setup()
from executions.models import GraphExecution
from executions.services import report_node
report_node(GraphExecution.objects.get(pk=sys.argv[1]), node_id=sys.argv[2], status="QUEUED")
"""


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A PostgreSQL that this test may stop and freeze."""
    try:
        server = Postgres()
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with server:
        yield server
        server.thaw()


def run(postgres: Postgres, script: str, *words: str) -> str:
    environment = {**os.environ, "DATABASE_URL": postgres.url}
    done = subprocess.run(
        [sys.executable, "-c", script, *words], cwd=ROOT, env=environment, timeout=60, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Site(SimpleNamespace):
    """A server on its own PostgreSQL, and one user with a socket that watches an execution."""

    postgres: Postgres
    door: ServerDoor
    client: Client
    user: Any
    execution: Any
    cookie: str

    async def sees_the_next_event(self, seq: int) -> None:
        await asyncio.to_thread(run, self.postgres, REPORT, str(self.execution.pk), f"n{seq}")
        assert (await self.client.frame())["seq"] == seq


@pytest.fixture
async def site(own_postgres: Postgres, servers: Servers) -> AsyncIterator[Site]:
    servers.need_a_client()
    begun = json.loads(run(own_postgres, BEGIN))
    with LiveServer(
        limits={"AUTH_TIMEOUT": 1.0}, DATABASE_URL=own_postgres.url, DATABASE_POOL_SIZE=str(POOL), REDIS_URL=""
    ) as server:
        door = ServerDoor(server)
        user, execution = SimpleNamespace(pk=begun["user"]), SimpleNamespace(pk=begun["execution"])
        client = await door.client(user)
        await watch(client, execution, after=1)  # type: ignore[arg-type]
        yield Site(
            postgres=own_postgres, door=door, client=client, user=user, execution=execution, cookie=begun["cookie"]
        )
        await door.leave()


async def test_after_a_postgres_restart_the_first_page_works_and_no_socket_closes(site: Site) -> None:
    # The pool is full of connections that the restart will end.
    await asyncio.gather(*(asyncio.to_thread(status_of_page, site.door.address, site.cookie) for _ in range(POOL)))
    site.postgres.terminate()
    await site.client.ping()
    site.postgres.start()
    assert await asyncio.to_thread(status_of_page, site.door.address, site.cookie) == 200
    await site.client.ping()
    await site.sees_the_next_event(2)
    late = await site.door.client(site.user)
    await watch(late, site.execution, after=0)
    assert [frame["seq"] for frame in await late.frames(2)] == [1, 2]


async def test_a_frozen_postgres_blocks_no_heartbeats_and_no_later_connections(site: Site) -> None:
    """A client that connects during the freeze is refused after AUTH_TIMEOUT, and leaves nothing in a queue."""
    site.postgres.freeze()
    refused = 0
    for _ in range(10):  # one AUTH_TIMEOUT each, so some ten seconds
        coming = [asyncio.create_task(site.door.client(site.user)) for _ in range(30)]
        for _ in range(5):
            await site.client.ping()
        results = await asyncio.gather(*coming, return_exceptions=True)
        refused += sum(isinstance(each, HandshakeRefused) for each in results)
    assert refused == 300
    page = asyncio.create_task(asyncio.to_thread(status_of_page, site.door.address, site.cookie))
    site.postgres.thaw()
    assert await page == 200
    with Watch(site.postgres.url, "runwire") as watching:
        late = [await site.door.client(site.user) for _ in range(10)]
        for client in late:
            await watch(client, site.execution, after=0)
            assert (await client.frame())["seq"] == 1
        await site.sees_the_next_event(2)
        assert {(await client.frame())["seq"] for client in late} == {2}
    assert watching.peak <= POOL + 1  # the pool and the reporting process
