"""Several Redis servers share the streams of one installation: each stream is on one of them."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_client
from django.contrib.auth.models import User
from pytest_django import Settings

from executions.models import Graph
from executions.services import report_node, start_execution
from realtime import streams
from realtime.hub.registry import hub_of_this_loop
from realtime.hub.sweep import sweep
from realtime.publishing import announcer
from tests.database import in_db
from tests.realtime.clients import Client
from tests.realtime.conftest import ConnectClient, Counted
from tests.realtime.layers import redis_layer
from tests.servers import Redis
from tests.stories.test_base_protocol import watch
from tests.stories.test_two_processes import NEVER

ENOUGH = 3  # executions on each server


@pytest.fixture
def second_redis(redis_server: Redis) -> Iterator[Redis]:
    with Redis() as server:
        yield server


@pytest.fixture
def shards(redis_server: Redis, second_redis: Redis, settings: Settings) -> Iterator[list[Redis]]:
    shards = [redis_server, second_redis]
    announcer.flush()
    layer = redis_layer(redis_server.url)
    layer["default"]["CONFIG"]["hosts"] += redis_layer(second_redis.url)["default"]["CONFIG"]["hosts"]
    settings.CHANNEL_LAYERS = layer
    settings.REALTIME = NEVER
    yield shards
    for server in shards:
        server.thaw()
    announcer.flush()


class Watched:
    """Executions that one socket watches, by their Redis server."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.groups: dict[str, Any] = {}
        self.at_home: list[list[Any]] = []
        self.seqs: dict[str, int] = {}

    async def change(self, *executions: Any) -> None:
        for execution in executions:
            await in_db(report_node)(execution, node_id="n", status="QUEUED")

    async def next_is_of(self, *executions: Any) -> None:
        """Checks that the next frames are the next event of each of these, in any order."""
        wanted = {str(execution.pk) for execution in executions}
        got = set()
        for _ in wanted:
            frame = await self.client.frame()
            id = frame["data"]["graph_exec_id"]
            got.add(id)
            self.seqs[id] = self.seqs.get(id, 1) + 1
            assert frame["seq"] == self.seqs[id]
        assert got == wanted


def groups_on(server: Redis) -> set[str]:
    """The groups with a subscriber on this server."""
    with redis_client.Redis(port=server.port) as client:
        return {name.decode().partition("__group__")[2] for name in client.pubsub_channels()}


@pytest.fixture
async def watched(shards: list[Redis], live_client: ConnectClient, user: User, graph: Graph) -> Watched:
    watched = Watched(await live_client(user))
    while not watched.at_home or min(map(len, watched.at_home)) < ENOUGH:
        execution = await in_db(start_execution)(graph, user=user)
        watched.groups[streams.group(await watch(watched.client, execution, after=1))] = execution
        watched.at_home = [
            [execution for group, execution in watched.groups.items() if group in groups_on(server)]
            for server in shards
        ]
    return watched


async def test_each_stream_is_on_one_server_and_each_server_has_streams(watched: Watched) -> None:
    first, second = watched.at_home
    assert len(first) + len(second) == len(watched.groups)
    await watched.change(*first, *second)
    await watched.next_is_of(*first, *second)


async def test_a_dead_server_delays_only_its_own_streams_until_the_sweep(
    watched: Watched, shards: list[Redis], counted: Counted
) -> None:
    shards[0].kill()
    dead, alive = watched.at_home
    await watched.change(*dead)
    await watched.change(*alive)
    await watched.next_is_of(*alive)
    assert not counted["heads_repaired"]
    await sweep(hub_of_this_loop())  # type: ignore[arg-type]
    await watched.next_is_of(*dead)
    assert counted["heads_repaired"] == len(dead)

    shards[0].start()
    for execution in dead:
        await heard_again(watched, execution)


async def heard_again(watched: Watched, execution: Any) -> None:
    """Returns when its events arrive through Redis again. An unannounced event arrives with the next announced one."""
    frame = asyncio.create_task(watched.client.frame())
    changed = 0
    while not frame.done():
        await watched.change(execution)
        changed += 1
        await asyncio.wait({frame}, timeout=0.1)
    frames = [frame.result(), *[await watched.client.frame() for _ in range(changed - 1)]]
    id = str(execution.pk)
    assert [each["seq"] for each in frames] == list(range(watched.seqs[id] + 1, watched.seqs[id] + changed + 1))


async def test_a_frozen_server_delays_no_announcement_of_another(
    watched: Watched, shards: list[Redis], settings: Settings, counted: Counted
) -> None:
    settings.REALTIME = {**NEVER, "ANNOUNCE_TIMEOUT": 600.0}  # announcements for the frozen server never time out
    shards[0].freeze()
    frozen, alive = watched.at_home
    for _ in range(3):
        await watched.change(*frozen)
    await watched.change(*alive)
    await watched.next_is_of(*alive)
    settings.REALTIME = NEVER
    assert not counted["announcements_failed"]


async def test_sockets_connect_and_disconnect_while_a_server_is_dead(
    watched: Watched, shards: list[Redis], live_client: ConnectClient, user: User
) -> None:
    shards[0].kill()
    dead, alive = watched.at_home
    late = Watched(await live_client(user))
    for execution in (*dead, *alive):
        await watch(late.client, execution, after=1)
    await watched.change(*alive)
    await late.next_is_of(*alive)
    await watched.change(*dead)
    await sweep(hub_of_this_loop())  # type: ignore[arg-type]
    await late.next_is_of(*dead)
    await late.client.disconnect()


async def test_announcements_for_a_frozen_server_do_not_fill_the_queue_of_others(
    watched: Watched, shards: list[Redis], settings: Settings, counted: Counted
) -> None:
    settings.REALTIME = {**NEVER, "ANNOUNCE_TIMEOUT": 600.0, "ANNOUNCER_QUEUE": 40}
    frozen, alive = watched.at_home
    await watched.change(*frozen, *alive)
    await watched.next_is_of(*frozen, *alive)
    shards[0].freeze()
    for _ in range(40):
        await watched.change(frozen[0])
    assert counted["announcements_dropped"]
    await watched.change(*alive)
    await watched.next_is_of(*alive)
    settings.REALTIME = NEVER
