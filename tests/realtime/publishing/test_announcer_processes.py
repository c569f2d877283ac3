"""The announcer in processes with threads, short loops and forks, and with a Redis that is down, slow or frozen. Each
process has at most one connection and one thread for announcing."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis as redis_client

from tests.realtime.publishing.processes import SETUP, Subscriber
from tests.servers import Redis
from tests.servers.process import ROOT

pytestmark = [
    pytest.mark.once,  # each test has a Redis of its own
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
]


class Program:
    """A program of the project. It stops at each `pause()` until `resume` is called."""

    PAUSE = """
import threading
def pause():
    threads = [thread.name for thread in threading.enumerate() if thread.name == "realtime-announcer"]
    os.write(1, f"{len(threads)}\\n".encode())  # one write, because children write at the same time
    assert os.read(0, 1)  # one byte only: children read from the same pipe
"""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def wait_for_pause(self) -> int:
        """Returns how many announcer threads the program has at its next pause."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, self._error()
        return int(line)

    def resume(self) -> None:
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def wait_for_exit(self) -> str:
        """Asserts that the program succeeds, and returns its stderr."""
        _, error = self._process.communicate(timeout=50)
        assert self._process.returncode == 0, error
        return error

    def _error(self) -> str:
        assert self._process.stderr
        return self._process.stderr.read()


@contextmanager
def program(script: str, redis: Redis, limits: str = "{}") -> Iterator[Program]:
    environment = {**os.environ, "REDIS_URL": redis.url, "LOG_LEVEL": "WARNING", "TEST_REALTIME": limits}
    environment["DJANGO_SETTINGS_MODULE"] = "tests.stories.settings"
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SETUP + Program.PAUSE + script],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Program(process)
        finally:
            process.kill()


def connections(redis: Redis) -> int:
    """How many connections the announcers of all processes have."""
    with redis_client.Redis(port=redis.port) as client:
        return sum(each["name"] == "runwire" for each in client.client_list())


class ConnectionMonitor:
    """Counts the connections all the time; `max` is the highest count."""

    def __init__(self, redis: Redis) -> None:
        self.max = 0
        self._redis, self._is_over = redis, threading.Event()
        self._thread = threading.Thread(target=self._count)

    def _count(self) -> None:
        with redis_client.Redis(port=self._redis.port) as client:
            while not self._is_over.is_set():
                self.max = max(self.max, sum(each["name"] == "runwire" for each in client.client_list()))

    def __enter__(self) -> "ConnectionMonitor":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join()


def receive_firsts(subscriber: Subscriber, count: int) -> list[int]:
    return [subscriber.next()["first"] for _ in range(count)]


def test_many_threads_share_one_connection_and_one_thread(redis_server: Redis, subscriber: Subscriber) -> None:
    script = """
from concurrent.futures import ThreadPoolExecutor
def announce_many(start):
    for number in range(start, start + 25):
        announce(order(number))
with ThreadPoolExecutor(16) as pool:
    list(pool.map(announce_many, range(0, 400, 25)))
pause()
"""
    with ConnectionMonitor(redis_server) as monitor, program(script, redis_server) as many:
        assert many.wait_for_pause() == 1
        assert sorted(receive_firsts(subscriber, 400)) == list(range(400))
        assert connections(redis_server) == 1
        many.resume()
        assert many.wait_for_exit() == ""
    assert monitor.max == 1


def test_short_lived_loops_leave_no_loops_and_connections_behind(redis_server: Redis, subscriber: Subscriber) -> None:
    script = """
import asyncio, gc
def open_loops():
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, asyncio.AbstractEventLoop) and not each.is_closed()]
before = len(open_loops())
async def main(number):
    announce(order(number))
for number in range(50):
    asyncio.run(main(number))
from channels.layers import get_channel_layer
assert len(open_loops()) == before + 1, "the announcer's own"
assert len(get_channel_layer()._layers) == 1
pause()
"""
    with program(script, redis_server) as many:
        assert many.wait_for_pause() == 1
        assert receive_firsts(subscriber, 50) == list(range(50))
        assert connections(redis_server) == 1
        many.resume()
        assert many.wait_for_exit() == ""
    assert connections(redis_server) == 0


PREFORK = """
def child(start):
    for number in range(start, start + 10):
        announce(order(number))
    pause()
{before}
children = []
for start in (100, 200, 300, 400):
    pid = os.fork()
    if not pid:
        child(start)
        sys.exit()
    children.append(pid)
{after}
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
"""


@pytest.mark.parametrize(
    ("before", "count"),
    [
        pytest.param("announce(order(0))", 1, id="after use"),
        pytest.param("[announce(order(number)) for number in range(90)]", 90, id="while it sends"),
    ],
)
def test_a_parent_and_its_forked_workers_all_announce(
    redis_server: Redis, subscriber: Subscriber, before: str, count: int
) -> None:
    script = PREFORK.format(before=before, after="announce(order(500))")
    with program(script, redis_server) as server:
        assert [server.wait_for_pause() for _ in range(4)] == [1] * 4
        expected = [*range(count), 500, *(start + n for start in (100, 200, 300, 400) for n in range(10))]
        assert sorted(receive_firsts(subscriber, len(expected))) == sorted(expected)
        # One of the parent, one of each worker, and one that the parent opened before the fork
        assert connections(redis_server) <= 6
        for _ in range(4):
            server.resume()
        assert server.wait_for_exit() == ""
    assert connections(redis_server) == 0


def test_a_fork_while_redis_is_down_blocks_no_worker(redis_server: Redis) -> None:
    """The announcer may hold the locks of counts and logs at the moment of the fork."""
    redis_server.kill()
    script = """
for number in range(200):
    announce(order(number))
    pid = os.fork() if number % 50 == 0 else None
    if pid == 0:
        announce(order(number))
        sys.exit()
    if pid:
        assert os.waitpid(pid, 0)[1] == 0
"""
    with program(script, redis_server) as many:
        assert "An announcement on" in many.wait_for_exit()


def test_a_child_of_a_server_announces_and_its_parent_receives_it(redis_server: Redis) -> None:
    script = """
import asyncio
from realtime.hub import registry
from realtime import streams
async def main():
    hub = registry.acquire()
    received = asyncio.Queue()
    hub.groups._on_message = received.put_nowait
    while not hub.groups._joined:
        await hub.groups.join(streams.group("u1|orders#7"))
    announce(order(1))
    assert (await received.get())["first"] == 1
    pid = os.fork()
    if not pid:
        announce(order(2))
        announcer.flush()
        os._exit(0)  # this loop is the parent's
    assert (await asyncio.to_thread(os.waitpid, pid, 0))[1] == 0
    assert (await received.get())["first"] == 2
    announce(order(3))
    assert (await received.get())["first"] == 3
    await registry.release(hub)
asyncio.run(main())
"""
    with program(script, redis_server) as server:
        assert server.wait_for_exit() == ""


def test_a_process_started_while_redis_is_down_announces_when_it_is_up(redis_server: Redis) -> None:
    redis_server.kill()
    script = """
announce(order(1))
pause()
announce(order(2))
pause()
"""
    with program(script, redis_server) as early:
        assert early.wait_for_pause() == 1
        redis_server.start()
        subscriber = Subscriber(redis_server)
        early.resume()
        assert early.wait_for_pause() == 1
        while subscriber.next()["first"] != 2:  # the first announcement may arrive, too
            pass
        assert connections(redis_server) == 1
        subscriber.close()
        early.resume()
        early.wait_for_exit()


def test_a_slow_redis_gets_every_announcement_over_one_connection(redis_server: Redis, subscriber: Subscriber) -> None:
    script = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda number: announce(order(number)), range(40)))
pause()
"""
    is_over = threading.Event()

    def keep_busy() -> None:
        """Redis runs one command at a time: each of these keeps it busy for 20 ms."""
        busy = """
local function now() local t = redis.call('TIME') return t[1] * 1000000 + t[2] end
local stop = now() + 20000
repeat until now() > stop
"""
        with redis_client.Redis(port=redis_server.port) as client:
            while not is_over.is_set():
                client.eval(busy, 0)

    slowing = threading.Thread(target=keep_busy)
    slowing.start()
    try:
        with (
            ConnectionMonitor(redis_server) as monitor,
            program(script, redis_server, '{"ANNOUNCE_TIMEOUT": 60.0}') as patient,
        ):
            assert patient.wait_for_pause() == 1
            assert sorted(receive_firsts(subscriber, 40)) == list(range(40))
            patient.resume()
            assert patient.wait_for_exit() == ""
    finally:
        is_over.set()
        slowing.join()
    assert monitor.max == 1


def test_a_frozen_redis_leaves_no_connections_behind(redis_server: Redis, subscriber: Subscriber) -> None:
    """Each announcement times out and drops its connection; the next one opens another."""
    script = """
announce(order(1))
pause()
for number in range(2, 12):
    announce(order(number))
    with announcer._announcer._idle:
        announcer._announcer._idle.wait_for(lambda: not announcer._announcer._pending)
pause()
announce(order(12))
pause()
"""
    with program(script, redis_server, '{"ANNOUNCE_TIMEOUT": 0.1}') as patient:
        patient.wait_for_pause()
        assert subscriber.next()["first"] == 1
        redis_server.freeze()
        patient.resume()
        assert patient.wait_for_pause() == 1
        redis_server.thaw()
        redis_server.wait_until(lambda: connections(redis_server) <= 1)
        patient.resume()
        assert patient.wait_for_pause() == 1
        while subscriber.next()["first"] != 12:
            pass
        assert connections(redis_server) == 1
        patient.resume()
        assert patient.wait_for_exit().count("An announcement on") == 10
