"""What load balancers and supervisors ask. Before Django, so that no Host, cookie or middleware is in the way: a probe
comes with the address of a pod as its Host, which is in nobody's ALLOWED_HOSTS, and nothing here depends on it.

    /healthz   200: the process lives, and its event loop turns. Touches nothing.
    /readyz    200: it can serve. 503: it stops, the database does not answer, or migrations are missing; the JSON says
               which. A channel layer that is away is said, too, and is no reason: updates come by the sweep.

Answered within READY_TIMEOUT whatever is frozen, and the database is asked once at a time, however many ask.
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
from realtime.log.store import database
from realtime.models import Stream

Scope = dict[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]

OK = "ok"
NO_ANSWER = "no answer"


class HealthPages:
    """The two pages, and `application` for all others."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._questions: dict[Callable[[], Awaitable[str]], asyncio.Task[str]] = {}

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["path"] == "/healthz":
            await _respond(send, 200, {"status": "alive"})
        elif scope["path"] == "/readyz":
            report = await self.report()
            await _respond(send, 200 if report["status"] == "ready" else 503, report)
        else:
            await self._application(scope, receive, send)

    async def report(self) -> dict[str, str]:
        """What /readyz says. Names no host, no user and no text of an exception."""
        database, layer = await asyncio.gather(self._answer(ask_database), self._answer(ask_layer))
        is_ready = database == OK and not asgi_extension.is_shutting_down
        status = "ready" if is_ready else "draining" if asgi_extension.is_shutting_down else "not ready"
        return {"status": status, "database": database, "channel_layer": layer}

    async def _answer(self, ask: Callable[[], Awaitable[str]]) -> str:
        task = self._questions.get(ask)
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            task = self._questions[ask] = asyncio.ensure_future(_told(ask))
        await asyncio.wait({task}, timeout=limits.READY_TIMEOUT)
        return task.result() if task.done() else NO_ANSWER


async def ask_database() -> str:
    return await in_thread(_look_into_database)


async def ask_layer() -> str:
    """Whether each Redis answers; "in memory" where there is none."""
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


async def _told(ask: Callable[[], Awaitable[str]]) -> str:
    try:
        return await ask()
    except Exception as error:
        return f"away ({type(error).__name__})"


_is_migrated = False  # once true it stays so: the tables of this version are there


def _look_into_database() -> str:
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
    content = json.dumps(body).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
