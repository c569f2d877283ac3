"""A server that is told to stop, with sockets that are open."""

import asyncio

import pytest
from django.contrib.auth.models import User

from executions.models import GraphExecution
from tests.realtime.clients import SocketClosed
from tests.servers.process import STOP_DEADLINE
from tests.stories.doors import LiveServer, ServerDoor, Servers
from tests.stories.test_base_protocol import watch


async def test_every_socket_is_told_why_and_to_come_back_and_the_server_ends_in_good_order(
    servers: Servers, user: User, execution: GraphExecution
) -> None:
    servers.need_a_client()
    with LiveServer("runwire", limits={"DRAIN_SPREAD": 0.1}) as server:
        clients = [await ServerDoor(server).client(user) for _ in range(5)]
        for client in clients:
            await watch(client, execution, after=1)
        stopping = asyncio.create_task(asyncio.to_thread(server.terminate))
        for client in clients:
            last = await client.frame()
            assert (last["method"], last["error"]) == ("error", "The server restarts"), last
            with pytest.raises(SocketClosed, match="1012"):
                await client.frame()
        async with asyncio.timeout(STOP_DEADLINE):
            assert await stopping == 0
        assert "Traceback" not in server.output, server.output
