"""Health pages for load balancers and supervisors. They come before Django and its checks: the Host of a probe is the
address of a pod, which is not in ALLOWED_HOSTS.

    /health    200, as AutoGPT Platform's WebSocket server answers it. Uses nothing else.
    /healthz   200: the process lives and its event loop runs. Uses nothing else.
    /readyz    200: the process can serve. 503: it is stopping, the database does not answer, or migrations are missing;
               the JSON says which. A channel layer that is away is reported, too, but is no reason for 503, because
               the sweep delivers.

They answer within READY_TIMEOUT even if the database or Redis hangs. Probes at the same time share one check.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from channels_redis.utils import create_pool, decode_hosts
from django.conf import settings
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from redis.asyncio import Redis

from realtime import asgi_extension
from realtime.conf import limits
from realtime.db import in_thread
from realtime.http.asgi_response import respond
from realtime.log.store import database
from realtime.models import Stream

Scope = dict[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]

OK = "ok"
NO_ANSWER = "no answer"


class HealthPages:
    """Serves the three pages, and passes other paths to `application`."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._checks: dict[Callable[[], Awaitable[str]], asyncio.Task[str]] = {}  # the latest run of each check

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["path"] == "/health":
            await _respond(send, 200, {"status": "healthy"})
        elif scope["path"] == "/healthz":
            await _respond(send, 200, {"status": "alive"})
        elif scope["path"] == "/readyz":
            report = await self.report()
            await _respond(send, 200 if report["status"] == "ready" else 503, report)
        else:
            await self._application(scope, receive, send)

    async def report(self) -> dict[str, str]:
        """The JSON of /readyz. It contains no host, no user and no text of an exception."""
        database, layer = await asyncio.gather(self._result_of(check_database), self._result_of(check_layer))
        is_ready = database == OK and not asgi_extension.is_shutting_down
        status = "ready" if is_ready else "draining" if asgi_extension.is_shutting_down else "not ready"
        return {"status": status, "database": database, "channel_layer": layer}

    async def _result_of(self, check: Callable[[], Awaitable[str]]) -> str:
        task = self._checks.get(check)
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            task = self._checks[check] = asyncio.ensure_future(_run(check))
        await asyncio.wait({task}, timeout=limits.READY_TIMEOUT)
        return task.result() if task.done() else NO_ANSWER


async def check_database() -> str:
    return await in_thread(_query_database)


async def check_layer() -> str:
    """OK if each Redis server answers; "in memory" or "none" if there is no Redis. Raises if one is away."""
    layer = getattr(settings, "CHANNEL_LAYERS", {}).get("default", {})
    if not layer.get("BACKEND", "").startswith("channels_redis."):
        return "in memory" if layer else "none"
    for host in decode_hosts(layer.get("CONFIG", {}).get("hosts")):
        async with asyncio.timeout(limits.READY_TIMEOUT):
            redis = Redis(connection_pool=create_pool(host))
            try:
                await redis.ping()
            finally:
                await redis.aclose(close_connection_pool=True)
    return OK


async def _run(check: Callable[[], Awaitable[str]]) -> str:
    try:
        return await check()
    except Exception as error:
        return f"away ({type(error).__name__})"


_is_migrated = False  # never reset: migrations are not undone while a process runs


def _query_database() -> str:
    global _is_migrated
    alias = database()
    if not _is_migrated:
        executor = MigrationExecutor(connections[alias])
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if missing:
            return f"{len(missing)} migrations are not applied"
        _is_migrated = True
    Stream.objects.using(alias).exists()
    return OK


async def _respond(send: Any, status: int, body: dict[str, str]) -> None:
    await respond(send, status, json.dumps(body, separators=(",", ":")).encode(), content_type="application/json")
