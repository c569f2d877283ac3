"""The announcer with a real Redis, from this process and from others."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest
from pytest_django import Settings

from realtime.metrics import counts
from realtime.publishing import announcer
from realtime.publishing.announcer import announce
from tests.conftest import address_of_test_database
from tests.realtime.layers import redis_layer
from tests.realtime.publishing.announcements import KEY, increase, order, wait_until_sent
from tests.realtime.publishing.processes import SETUP, Subscriber
from tests.servers import Redis
from tests.servers.process import ROOT


@pytest.fixture
def through_redis(redis_server: Redis, settings: Settings) -> Iterator[Redis]:
    """A Redis of its own, which the channel layer of this process uses."""
    announcer.flush()
    settings.CHANNEL_LAYERS = redis_layer(redis_server.url)
    yield redis_server
    redis_server.thaw()
    announcer.flush()


def test_an_announcement_arrives_through_redis(through_redis: Redis, subscriber: Subscriber) -> None:
    announce(order(1))
    assert subscriber.next()["first"] == 1


async def test_an_announcement_from_a_coroutine_does_not_need_its_loop(
    through_redis: Redis, subscriber: Subscriber
) -> None:
    announce(order(1))  # and no await, so this loop does not run
    assert subscriber.next()["first"] == 1


def test_announcing_to_a_redis_that_is_down_is_counted_and_does_not_raise(through_redis: Redis) -> None:
    before = counts()
    through_redis.kill()
    for number in range(5):
        announce(order(number))
    announcer.flush()
    assert increase("announcements_failed", before) == 5


def test_announcing_to_a_frozen_redis_times_out_and_works_again_after_a_thaw(
    through_redis: Redis, subscriber: Subscriber, settings: Settings
) -> None:
    settings.REALTIME = {"ANNOUNCE_TIMEOUT": 0.1}
    before = counts()
    announce(order(1))
    assert subscriber.next()["first"] == 1
    through_redis.freeze()
    announce(order(2))
    wait_until_sent()
    assert increase("announcements_failed", before) == 1
    through_redis.thaw()
    settings.REALTIME = {}
    announce(order(3))
    while subscriber.next()["first"] != 3:  # Redis may deliver an earlier one from its buffers
        pass


# Other processes


def run(script: str, redis: Redis, deadline: float = 50) -> str:
    """Runs a program of the project to its end. Returns its output."""
    environment = {
        **os.environ,
        "REDIS_URL": redis.url,
        "DATABASE_URL": address_of_test_database(),
        "LOG_LEVEL": "WARNING",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SETUP + script],
        cwd=ROOT,
        env=environment,
        timeout=deadline,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.django_db(transaction=True)
def test_a_process_sends_its_announcements_before_it_exits(redis_server: Redis, subscriber: Subscriber) -> None:
    run(
        "from realtime.publish import publish; publish('u1|orders#7', 'order_changed', 'order', {})",
        redis_server,
    )
    message = subscriber.next()
    assert (message["key"], message["first"], message["events"]) == (KEY, 1, [[1, "order_changed", "{}"]])


def test_a_failing_process_sends_its_announcements_before_it_exits(redis_server: Redis, subscriber: Subscriber) -> None:
    with suppress(AssertionError):
        run("announce(order(1)); raise SystemExit(3)", redis_server)
    assert subscriber.next()["first"] == 1


def test_a_process_exits_while_redis_is_frozen(redis_server: Redis) -> None:
    redis_server.freeze()
    printed = run("[announce(order(number)) for number in range(5)]", redis_server)
    assert "The process ends before all announcements are sent" in printed


def test_a_process_exits_while_redis_is_down(redis_server: Redis) -> None:
    redis_server.kill()
    assert "An announcement on" in run("announce(order(1))", redis_server)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_parent_and_children_announce_after_a_fork(redis_server: Redis, subscriber: Subscriber) -> None:
    script = """
announce(order(1))  # starts the thread, which a child does not have
for number in (2, 3):
    child = os.fork()
    if not child:
        announce(order(number))
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
    announce(order(number + 10))
"""
    run(script, redis_server)
    received = {subscriber.next()["first"] for _ in range(5)}
    assert received == {1, 2, 12, 3, 13}
