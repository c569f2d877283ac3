"""Several server processes behind nginx: clients move between them and lose no event."""

import asyncio
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from executions.models import Graph, GraphExecution
from executions.services import notify_user, report_node
from tests.database import in_db
from tests.realtime.clients import Client, HandshakeRefused, SocketClosed
from tests.realtime.publishing.test_announcer_processes import connections
from tests.servers import Nginx, Redis
from tests.stories.doors import LiveServer, ProxyDoor, ServerDoor, Servers
from tests.stories.test_base_protocol import watch_graph
from tests.stories.test_two_processes import NEVER, terminate_in_admin
from tests.waiting import rest_in_loop, until_in_loop

BACK_OFF = 0.05  # seconds; a browser waits longer


class Reader:
    """Acts like a browser: keeps position and epoch, and reconnects after any close, to any process."""

    def __init__(self, door: ProxyDoor, user: User, execution: GraphExecution) -> None:
        self.door, self.user, self.execution = door, user, execution
        self.seqs: list[int] = []
        self.epoch: str | None = None
        self.connections = 0

    async def read_until(self, is_last: Callable[[int], bool]) -> None:
        while not (self.seqs and is_last(self.seqs[-1])):
            try:
                await self._read(is_last)
            except (SocketClosed, HandshakeRefused, OSError):
                await rest_in_loop(BACK_OFF)

    async def _read(self, is_last: Callable[[int], bool]) -> None:
        client = await self.door.client(self.user)
        self.connections += 1
        options = {"graph_exec_id": str(self.execution.pk), "after": self.seqs[-1] if self.seqs else 0}
        answer = await client.ask("subscribe_graph_execution", options | ({"epoch": self.epoch} if self.epoch else {}))
        assert answer["data"]["recovered"]
        self.epoch = answer["data"]["epoch"]
        while not (self.seqs and is_last(self.seqs[-1])):
            frame = await client.frame()
            if "seq" in frame:  # not the last frame of a stopping server
                self.seqs.append(frame["seq"])
        await client.disconnect()


Accident = Callable[[list[LiveServer], Nginx], None]


def kill_one(pair: list[LiveServer], nginx: Nginx) -> None:
    pair[0].kill()


def stop_one(pair: list[LiveServer], nginx: Nginx) -> None:
    pair[0].terminate()


def restart_all_in_turn(pair: list[LiveServer], nginx: Nginx) -> None:
    for server in pair:
        server.terminate()
        server.start()


def kill_one_after_the_other(pair: list[LiveServer], nginx: Nginx) -> None:
    for server in pair:
        server.restart()


def kill_nginx(pair: list[LiveServer], nginx: Nginx) -> None:
    nginx.restart()


@pytest.mark.parametrize("accident", [kill_one, stop_one, restart_all_in_turn, kill_one_after_the_other, kill_nginx])
async def test_when_a_process_ends_each_client_gets_each_event_once_in_order(
    accident: Accident, proxy_door: ProxyDoor, pair: list[LiveServer], user: User, execution: GraphExecution
) -> None:
    readers = [Reader(proxy_door, user, execution) for _ in range(4)]
    written, total, may_stop = 1, 0, False

    async def write() -> None:
        nonlocal written
        while not may_stop:
            await in_db(report_node)(execution, node_id=f"n{written}", status="QUEUED")
            written += 1

    writing = asyncio.create_task(write())
    reading = [asyncio.create_task(reader.read_until(lambda seq: seq == total)) for reader in readers]
    await until_all(readers, lambda reader: len(reader.seqs) >= 10)
    await asyncio.to_thread(accident, pair, proxy_door.nginx)
    after = written
    await until_all(readers, lambda reader: len(reader.seqs) >= after)
    may_stop = True
    await writing
    total = written + 1
    await in_db(report_node)(execution, node_id="the last", status="QUEUED")
    await asyncio.gather(*reading)
    for reader in readers:
        assert reader.seqs == list(range(1, total + 1))
    assert any(reader.connections > 1 for reader in readers)


async def until_all(readers: list[Reader], condition: Callable[[Reader], bool]) -> None:
    await until_in_loop(lambda: all(map(condition, readers)))


async def test_a_reload_of_nginx_closes_no_socket(
    proxy_door: ProxyDoor, pair: list[LiveServer], user: User, execution: GraphExecution
) -> None:
    clients = [await proxy_door.client(user) for _ in range(4)]
    proxy_door.nginx.reload(pair[1:])
    late = await proxy_door.client(user)
    await in_db(notify_user)(user, type="info", event="hey")
    for client in (*clients, late):
        assert (await client.frame())["data"]["event"] == "hey"
    assert pair[1].output.count("WSCONNECT /ws") == 3


@pytest.mark.parametrize("pair", [NEVER], indirect=True)
async def test_sockets_of_one_user_in_different_processes_get_the_notifications(
    proxy_door: ProxyDoor, pair: list[LiveServer], user: User, other_user: User
) -> None:
    """Through Redis alone: there is no sweep here."""
    clients: list[Client] = [await proxy_door.client(user) for _ in range(4)]
    stranger = await proxy_door.client(other_user)
    assert all(server.output.count("WSCONNECT /ws") >= 2 for server in pair)
    for number in range(3):
        await in_db(notify_user)(user, type="info", event=f"{number}")
    for client in clients:
        assert [frame["data"]["event"] for frame in await client.frames(3)] == ["0", "1", "2"]
    await stranger.ping()


async def test_a_server_process_has_three_connections_to_redis(
    redis_server: Redis, servers: Servers, user: User, graph: Graph, execution: GraphExecution
) -> None:
    servers.need_a_client()
    with LiveServer(REDIS_URL=redis_server.url, limits=NEVER) as server:
        door = ServerDoor(server)
        clients = [await door.client(user) for _ in range(10)]
        for client in clients:
            await watch_graph(client, graph)
        await in_db(terminate_in_admin)(door.address, execution)
        for client in clients:
            assert (await client.frame())["data"]["status"] == "TERMINATED"
        assert connections(redis_server) == 3  # one counts what is throttled
        await door.leave()
