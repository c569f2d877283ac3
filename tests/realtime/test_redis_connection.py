"""How long the channel layer waits for messages, on a real Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from channels_redis.pubsub import RedisPubSubChannelLayer
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from realtime import redis_connection
from realtime.redis_connection import LongWaitConnection
from tests.servers import Redis as RedisServer
from tests.waiting import until_in_loop

PATIENCE = 20.0  # seconds; only a test that fails waits for so long


@pytest.fixture
async def subscription(redis_server: RedisServer) -> AsyncIterator[PubSub]:
    pool = ConnectionPool.from_url(redis_server.url, connection_class=LongWaitConnection)
    async with Redis(connection_pool=pool) as redis, redis.pubsub(ignore_subscribe_messages=True) as subscription:
        await subscription.subscribe("news")
        await subscription.get_message(timeout=0.1)  # the confirmation of the subscription
        yield subscription
    await pool.aclose()


async def publish(redis_server: RedisServer, data: str) -> None:
    async with Redis.from_url(redis_server.url) as redis:
        await redis.publish("news", data)


def waits_of(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The timeouts of all later waits for a message that need not come, as the caller gave them."""
    waits: list[float] = []
    read_response = LongWaitConnection.read_response

    async def counted(self: LongWaitConnection, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("timeout") is not None:
            waits.append(kwargs["timeout"])
        return await read_response(self, *args, **kwargs)

    monkeypatch.setattr(LongWaitConnection, "read_response", counted)
    return waits


async def ten_minutes_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moves the clock of the event loop by ten minutes and runs the tasks that are then ready."""
    loop = asyncio.get_running_loop()
    time = loop.time
    for _ in range(10):
        await asyncio.sleep(0)
    monkeypatch.setattr(loop, "time", lambda: time() + 600)
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_message_ends_a_long_wait(
    subscription: PubSub, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_connection, "MIN_WAIT", 3_600.0)
    waits = waits_of(monkeypatch)
    waiting = asyncio.ensure_future(subscription.get_message(timeout=0.01))
    await until_in_loop(lambda: bool(waits))
    await ten_minutes_pass(monkeypatch)
    assert not waiting.done()
    await publish(redis_server, "hey")
    assert (await asyncio.wait_for(waiting, PATIENCE))["data"] == b"hey"


async def test_a_wait_without_a_message_returns_none_and_the_next_one_gets_the_message(
    subscription: PubSub, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_connection, "MIN_WAIT", 0.01)
    assert await asyncio.wait_for(subscription.get_message(timeout=0.0), PATIENCE) is None
    await publish(redis_server, "hey")
    assert (await subscription.get_message(timeout=PATIENCE))["data"] == b"hey"


async def test_an_idle_layer_does_not_wake_its_process(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_connection, "MIN_WAIT", 3_600.0)
    waits = waits_of(monkeypatch)
    layer = RedisPubSubChannelLayer([{"address": redis_server.url, "connection_class": LongWaitConnection}])
    channel = await layer.new_channel()
    await layer.group_add("group", channel)
    await layer.group_send("group", {"type": "first"})
    assert await asyncio.wait_for(layer.receive(channel), PATIENCE) == {"type": "first"}
    await until_in_loop(
        lambda: bool(waits), "channels_redis waits in another way now; this connection class is not needed any more"
    )
    await ten_minutes_pass(monkeypatch)  # the waits that follow the first message begin
    before = list(waits)
    await ten_minutes_pass(monkeypatch)
    assert waits == before
    await layer.group_send("group", {"type": "second"})
    assert await asyncio.wait_for(layer.receive(channel), PATIENCE) == {"type": "second"}
    await layer.flush()


async def test_a_new_connection_does_not_subscribe_to_what_was_unsubscribed_before_redis_died(
    subscription: PubSub, redis_server: RedisServer
) -> None:
    await subscription.subscribe("kept")
    redis_server.freeze()
    await subscription.unsubscribe("news")  # Redis never reads it
    redis_server.restart()

    async def is_subscribed_again() -> bool:
        with suppress(RedisError):
            await subscription.get_message(timeout=0.01)
        return bool(redis_server.words("PUBSUB CHANNELS"))

    await until_in_loop(is_subscribed_again)
    assert redis_server.words("PUBSUB CHANNELS") == ["kept"]
    await subscription.subscribe("news")
    await until_in_loop(lambda: sorted(redis_server.words("PUBSUB CHANNELS")) == ["kept", "news"])
