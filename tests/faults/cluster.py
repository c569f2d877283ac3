"""The processes under test: PostgreSQL, Redis, servers and workers.

This file does not use Django, so that the tests and the soak can both use it, and so that it reads PostgreSQL without
the code under test.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import ExitStack
from typing import Any
from urllib.request import urlopen

import psycopg

from tests.faults.checker import check
from tests.faults.history import Seen, Violations
from tests.faults.lossy_layer import lossy_layers
from tests.faults.reader import PATIENCE, Reader, Stream
from tests.faults.workers import Committed, Worker
from tests.servers import Nginx, NotInstalledError, Postgres, Redis, Server, WebServer
from tests.servers.process import ROOT
from tests.waiting import until_in_loop

_UNNUMBERED = "SELECT count(*) FROM realtime_streamevent WHERE seq IS NULL"
_HEADS = "SELECT key, head FROM realtime_stream WHERE key = ANY(%s)"


class Cluster:
    """`limits` override those of realtime/conf.py in servers and workers. `timeout` is that of sockets to Redis, in
    seconds."""

    def __init__(self, *, servers: int = 2, limits: Mapping[str, Any] | None = None, timeout: float = 1.0) -> None:
        self._life = ExitStack()
        self._limits, self._timeout = dict(limits or {}), timeout
        self.postgres, self.redis = Postgres(), Redis()
        self.servers = [WebServer(self._settings()) for _ in range(servers)]
        self.nginx: Nginx | None = None
        self.committed = Committed()
        self.violations = Violations()
        self.seen: Seen = {}
        self._idle: dict[WebServer, dict[str, Any]] = {}

    def start(self, *, behind_nginx: bool = False) -> None:
        """Starts all processes. Returns when each answers."""
        for server in (self.postgres, self.redis):
            self._life.enter_context(server)
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, cwd=ROOT, env=self.environment(), check=True)
        for each in self.servers:
            self._life.callback(each.close)
            each.begin()
        for each in self.servers:
            each.start()
        if behind_nginx:
            try:
                self.nginx = self._life.enter_context(Nginx(self.servers))
            except NotInstalledError:
                self.nginx = None

    def close(self) -> None:
        self._life.close()

    def _settings(self) -> dict[str, str]:
        return {
            "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
            "DEBUG": "true",
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.redis.url,
            "TEST_REALTIME": json.dumps(self._limits),
            "TEST_CHANNEL_LAYERS": json.dumps(lossy_layers(self.redis.url, timeout=self._timeout)),
        }

    def environment(self) -> dict[str, str]:
        return {**os.environ, **self._settings()}

    def worker(self) -> Worker:
        worker = Worker(self.environment(), self.committed)
        self._life.callback(worker.close)
        return worker

    @property
    def urls(self) -> list[str]:
        return [server.websocket_url for server in self.servers]

    async def restart(self, server: Server) -> None:
        """Kills the server if it runs, starts it, and returns when it answers."""
        await asyncio.to_thread(server.kill)
        server.begin()
        await asyncio.to_thread(server.start)

    async def recover(self) -> None:
        """Thaws and restarts what is frozen or stopped."""
        for server in (self.postgres, self.redis, *self.servers):
            server.thaw()
            if not server.is_running:
                await self.restart(server)

    # The database

    def query(self, text: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.postgres.url, autocommit=True, connect_timeout=10) as connection:
            return connection.execute(text.encode(), parameters).fetchall()

    async def heads(self, keys: Sequence[str]) -> dict[str, int]:
        """The heads of the streams, after the servers have numbered all committed events."""
        await self.until(lambda: self.query(_UNNUMBERED) == [(0,)], "events stay without a number")
        return dict(await asyncio.to_thread(self.query, _HEADS, list(keys)))

    async def until(self, condition: Callable[[], bool], message: str) -> None:
        """Waits until the condition is true; it runs in a thread. Raises AssertionError after PATIENCE."""
        await until_in_loop(lambda: asyncio.to_thread(condition), message, PATIENCE)

    # The checks

    async def assert_complete(self, readers: Sequence[Reader], streams: Sequence[Stream]) -> None:
        """Waits until every reader has received all events. Asserts that none was lost, doubled, out of order or of
        another user, and that the log has what the readers got and the workers committed."""
        heads = await self.heads([stream.key for stream in streams])
        await asyncio.gather(*(reader.reach(heads) for reader in readers))
        await asyncio.to_thread(check, self.query, list(heads), self.seen, self.committed, self.violations)
        assert not self.violations, self.violations.words

    # The state of the servers

    async def inside(self, server: WebServer) -> dict[str, Any]:
        def ask() -> dict[str, Any]:
            with urlopen(f"{server.url}/inside", timeout=PATIENCE) as answer:
                found: dict[str, Any] = json.load(answer)
                return found

        return await asyncio.to_thread(ask)

    async def assert_nothing_left(self, groups_before: Set[str] | None) -> None:
        """Waits until no server has a socket, and Redis has no groups except `groups_before`. None skips the check of
        Redis."""
        traces: list[str] = []

        async def nothing() -> bool:
            traces[:] = await self._all_traces(groups_before)
            return not traces

        await until_in_loop(nothing, traces, PATIENCE)

    async def _all_traces(self, groups_before: Set[str] | None) -> list[str]:
        traces = [trace for server in self.servers for trace in await self._traces(server)]
        if groups_before is not None:
            traces += sorted(self.groups() - groups_before)
        return traces

    async def _traces(self, server: WebServer) -> list[str]:
        found = await self.inside(server)
        kept = {name: found[name] for name in ("hubs", "sockets", "streams", "subscriptions", "buffered")}
        kept |= Counter(found["tasks"]) - _OWN_TASKS
        return [f"{count} {name} in {server}" for name, count in kept.items() if count]

    def groups(self) -> set[str]:
        """The channels of Redis that have subscribers."""
        return set(self.redis.words("PUBSUB CHANNELS"))


# The tasks of the request for /inside itself.
_OWN_TASKS = Counter(
    ["ProtocolTypeRouter.__call__", "ASGIHandler.listen_for_disconnect", "ASGIHandler.handle.<locals>.process_request"]
)
