"""A server that is stopped while sockets are open."""

import asyncio

import pytest
from django.contrib.auth.models import User

from executions.models import GraphExecution
from tests.realtime.clients import SocketClosed
from tests.servers.process import STOP_DEADLINE
from tests.stories.doors import LiveServer, ServerDoor, Servers
from tests.stories.test_base_protocol import watch


async def test_a_stopping_server_closes_every_socket_with_a_reason_and_exits_cleanly(
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
