"""Redis and servers die and return during many writes and reads: each client gets each event once, in order."""

import asyncio
import random
import threading
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connections

from executions.models import GraphExecution
from executions.services import report_node
from tests.database import in_db
from tests.realtime.clients import HandshakeRefused, SocketClosed
from tests.realtime.layers import redis_layer
from tests.servers import Redis
from tests.stories.doors import LiveServer, ServerDoor, Servers
from tests.waiting import rest_in_loop

WRITERS, CHANGES, CLIENTS = 3, 60, 6
HEAD = 1 + WRITERS * CHANGES


class Reader:
    """A correct client: it reconnects with the number of the last event it got."""

    def __init__(self, doors: list[ServerDoor], user: User, execution: GraphExecution, seed: int) -> None:
        self._doors, self._user, self._execution = doors, user, execution
        self._random = random.Random(seed)
        self._epoch: str | None = None
        self.seqs: list[int] = []

    async def read_all(self) -> None:
        while not self.seqs or self.seqs[-1] < HEAD:
            try:
                await self._connect_and_read()
            except (SocketClosed, HandshakeRefused, OSError, EOFError):
                await rest_in_loop(0.05)  # the back-off of a reconnect

    async def _connect_and_read(self) -> None:
        client = await self._random.choice(self._doors).client(self._user)
        try:
            after = self.seqs[-1] if self.seqs else 0
            options = {"after": after, "epoch": self._epoch} if self._epoch else {"after": after}
            await client.send("subscribe_graph_execution", {"graph_exec_id": str(self._execution.pk), **options})
            for _ in range(self._random.randrange(5, 80)):  # then it closes the connection itself
                frame = await client.frame()
                if frame["method"] == "subscribe_graph_execution":
                    assert frame["data"]["recovered"] is True, frame
                    self._epoch = frame["data"]["epoch"]
                else:
                    self.seqs.append(frame["seq"])
                    if frame["seq"] == HEAD:
                        break
        finally:
            await client.disconnect()


def write(execution: GraphExecution, name: str, progress: Callable[[], None]) -> None:
    try:
        for number in range(CHANGES):
            report_node(execution, node_id=f"{name} {number % 7}", status="QUEUED", input_data={"n": number})
            progress()
    finally:
        connections.close_all()


@pytest.mark.timeout(120)
async def test_with_all_failures_each_client_gets_each_event_once_in_order(
    redis_server: Redis, servers: Servers, user: User, execution: GraphExecution, live_client: object
) -> None:
    servers.need_a_client()
    layers = redis_layer(redis_server.url, timeout=1)
    first, second = LiveServer("runwire", layers=layers), LiveServer("daphne", layers=layers)
    second.begin()
    with first, second:
        doors = [ServerDoor(first), ServerDoor(second)]
        readers = [Reader(doors, user, execution, seed) for seed in range(CLIENTS)]
        written = threading.Semaphore(0)
        writing = [
            asyncio.create_task(asyncio.to_thread(write, execution, f"w{n}", written.release)) for n in range(WRITERS)
        ]
        reading = [asyncio.create_task(reader.read_all()) for reader in readers]
        accidents = [
            redis_server.kill,
            redis_server.start,
            first.kill,
            first.start,
            lambda: redis_server.ask("FLUSHALL"),
            redis_server.freeze,
            redis_server.thaw,
            second.restart,
            redis_server.restart,
        ]
        for accident in accidents:
            for _ in range(WRITERS * CHANGES // (len(accidents) + 1)):
                await in_db(written.acquire)()
            await asyncio.to_thread(accident)
        await asyncio.gather(*writing)
        await asyncio.gather(*reading)
        for reader in readers:
            assert reader.seqs == list(range(1, HEAD + 1))
