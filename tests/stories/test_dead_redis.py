"""Redis dies, freezes, loses its data and returns: no socket closes, no subscribe fails, every update arrives."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from executions.models import Graph, GraphExecution
from executions.services import notify_user, report_node, start_execution
from realtime.hub.registry import hub_of_this_loop
from tests.database import in_db
from tests.realtime.clients import Client
from tests.realtime.conftest import ConnectClient
from tests.realtime.layers import redis_layer
from tests.servers import Redis
from tests.stories.doors import LiveServer, ServerDoor, Servers
from tests.stories.test_base_protocol import watch

QUICK = {"SWEEP_INTERVAL": 0.05, "SWEEP_GRACE": 0.05, "ANNOUNCE_TIMEOUT": 0.5, "REJOIN_INTERVAL": 0.2}
LAYERS = ["pubsub.RedisPubSubChannelLayer", "core.RedisChannelLayer"]


@pytest.fixture(params=LAYERS)
def redis(request: pytest.FixtureRequest, redis_server: Redis, settings: Settings) -> Redis:
    """The Redis of the channel layer of this process."""
    settings.CHANNEL_LAYERS = redis_layer(redis_server.url, request.param, timeout=1)
    settings.REALTIME = QUICK
    return redis_server


def die(redis: Redis) -> None:
    redis.kill()


def freeze(redis: Redis) -> None:
    redis.freeze()


def freeze_and_thaw(redis: Redis) -> None:
    redis.freeze()
    redis.thaw()


def die_and_come_back(redis: Redis) -> None:
    redis.restart()


def forget_everything(redis: Redis) -> None:
    assert redis.ask("FLUSHALL") == "+OK"


ACCIDENTS: list[Callable[[Redis], None]] = [die, freeze, die_and_come_back, forget_everything]


class Watcher:
    """A socket that watches an execution, and the number of the next event."""

    def __init__(self, client: Client, execution: GraphExecution) -> None:
        self.client, self.execution = client, execution
        self.seq = 1

    async def watch(self) -> None:
        await watch(self.client, self.execution, after=self.seq)

    async def sees_the_next_event(self) -> None:
        self.seq += 1
        await in_db(report_node)(self.execution, node_id=f"n{self.seq}", status="QUEUED")
        frame = await self.client.frame()
        assert (frame["seq"], frame["data"]["node_id"]) == (self.seq, f"n{self.seq}")

    async def hears_by_redis(self) -> None:
        """Returns when events arrive again without a sweep. An event that was announced too early arrives with the
        next."""
        hub = hub_of_this_loop()
        assert hub
        assert hub.sweeping
        hub.sweeping.cancel()
        is_there = asyncio.create_task(self.client.frame())
        while not is_there.done():
            self.seq += 1
            await in_db(report_node)(self.execution, node_id=f"n{self.seq}", status="QUEUED")
            await asyncio.wait({is_there}, timeout=0.1)
        frames = [is_there.result()]
        while frames[-1]["seq"] < self.seq:
            frames.append(await self.client.frame())
        last = frames[-1]["seq"]
        assert [frame["seq"] for frame in frames] == list(range(last - len(frames) + 1, last + 1))


@pytest.fixture
async def watcher(
    redis: Redis, live_client: ConnectClient, user: User, execution: GraphExecution
) -> AsyncIterator[Watcher]:
    """A watcher that connected before the failure."""
    watcher = Watcher(await live_client(user), execution)
    await watcher.watch()
    await watcher.sees_the_next_event()
    yield watcher
    redis.thaw()


@pytest.mark.parametrize("accident", ACCIDENTS)
async def test_redis_failures_close_no_socket_and_lose_no_update(
    accident: Callable[[Redis], None], redis: Redis, watcher: Watcher
) -> None:
    accident(redis)
    for _ in range(3):
        await watcher.sees_the_next_event()
    await watcher.client.ping()


@pytest.mark.parametrize("accident", ACCIDENTS)
async def test_a_client_that_connects_during_a_redis_failure_gets_the_updates(
    accident: Callable[[Redis], None],
    redis: Redis,
    watcher: Watcher,
    live_client: ConnectClient,
    user: User,
    graph: Graph,
) -> None:
    accident(redis)
    late = await live_client(user)
    another = await in_db(start_execution)(graph, user=user)
    for client in (late, watcher.client):
        assert (await client.ask("subscribe_graph_execution", {"graph_exec_id": str(another.pk)}))["success"]
    await in_db(report_node)(another, node_id="n", status="QUEUED")
    for client in (late, watcher.client):
        assert (await client.frame())["data"]["node_id"] == "n"
    await in_db(notify_user)(user, type="info", event="hey")
    for client in (late, watcher.client):
        assert (await client.frame())["data"]["event"] == "hey"
    answer = await late.ask("unsubscribe", {"graph_exec_id": str(another.pk)})
    assert answer["channel"] == f"{user.pk}|graph_exec#{another.pk}"


@pytest.mark.parametrize("accident", [die_and_come_back, freeze_and_thaw, forget_everything])
async def test_after_a_redis_failure_updates_come_through_redis_again(
    accident: Callable[[Redis], None], redis: Redis, watcher: Watcher
) -> None:
    accident(redis)
    await watcher.sees_the_next_event()
    await watcher.hears_by_redis()


async def test_a_long_redis_outage_is_survived(redis: Redis, watcher: Watcher) -> None:
    redis.kill()
    for _ in range(3):
        await watcher.sees_the_next_event()
    redis.start()
    await watcher.sees_the_next_event()
    await watcher.hears_by_redis()


async def test_the_first_socket_may_connect_while_redis_is_dead(
    redis: Redis, live_client: ConnectClient, user: User, execution: GraphExecution
) -> None:
    redis.kill()
    watcher = Watcher(await live_client(user), execution)
    await watcher.watch()
    for _ in range(3):
        await watcher.sees_the_next_event()
    await watcher.client.disconnect()
    assert hub_of_this_loop() is None
    redis.start()
    late = Watcher(await live_client(user), execution)
    late.seq = watcher.seq
    await late.watch()
    await late.hears_by_redis()


async def test_a_separate_server_process_survives_all_redis_failures(
    redis_server: Redis, servers: Servers, user: User, execution: GraphExecution
) -> None:
    """As in production: with pub/sub, and a writer in another process."""
    servers.need_a_client()
    redis_server.kill()
    with LiveServer(layers=redis_layer(redis_server.url, timeout=1)) as server:
        door = ServerDoor(server)
        watcher = Watcher(await door.client(user), execution)
        await watcher.watch()
        await watcher.sees_the_next_event()
        for accident in (Redis.start, Redis.freeze, Redis.thaw, forget_everything, Redis.restart, Redis.kill):
            accident(redis_server)
            for _ in range(3):
                await watcher.sees_the_next_event()
            await watcher.client.ping()
        late = Watcher(await door.client(user), execution)
        late.seq = watcher.seq
        await late.watch()
        await late.sees_the_next_event()
        await door.leave()
