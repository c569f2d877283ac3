"""`/metrics` for Prometheus, in its text format, or in OpenMetrics if the request accepts that.

It is closed to all but staff, until REALTIME["METRICS_TOKEN"] or ["METRICS_OPEN"] opens it. It comes before Django, as
the health pages do: Prometheus asks by the address of a pod, which is not in ALLOWED_HOSTS.

A scrape has a bounded cost. The database and Redis are asked at most once in METRICS_INTERVAL, and an answer is awaited
for READY_TIMEOUT. Without one, the metrics of the process come all the same.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, TypeVar

from django.utils.crypto import constant_time_compare

from realtime.auth.handshake import HandshakeRefused, authenticate
from realtime.auth.identity import CredentialsRefused
from realtime.conf import limits
from realtime.db import in_thread
from realtime.http import live_gauges, stored_gauges  # noqa: F401 - live_gauges registers its gauges
from realtime.http.asgi_response import respond
from realtime.http.exposition import render
from realtime.http.health import OK, Application, Scope, check_layer
from realtime.metrics import count

logger = logging.getLogger(__name__)

T = TypeVar("T")

PATH = "/metrics"
CLOSED = """Metrics are closed to this request. To read them:
- let Prometheus send the token of METRICS_TOKEN (REALTIME["METRICS_TOKEN"]) as `Authorization: Bearer TOKEN`; or
- log in to the admin as staff, with a browser; or
- set REALTIME["METRICS_OPEN"] = True, if only Prometheus reaches this port.
"""
_SHOWN = (b"cookie", b"host", b"x-forwarded-host")
_WITHOUT_REDIS = ("in memory", "none")  # answers of `check_layer`


class MetricsPage:
    """Serves the page, and passes other paths to `application`."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._stored = RecentResult(lambda: in_thread(stored_gauges.read))
        self._layer = RecentResult(check_layer)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["path"] != PATH:
            await self._application(scope, receive, send)
        elif scope["method"] not in ("GET", "HEAD"):
            await _respond(send, 405, b"Use GET.\n", [(b"allow", b"GET, HEAD")])
        elif not await is_allowed(scope):
            count("refused_metrics")
            await _respond(send, 401, CLOSED.encode(), [(b"www-authenticate", b"Bearer")])
        else:
            stored, layer = await asyncio.gather(self._stored.get(), self._layer.get())
            accept = b",".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1")
            # A thread of its own: those for the database may all wait for it.
            content_type, body = await asyncio.to_thread(render, accept, stored, layer in (OK, *_WITHOUT_REDIS))
            await _respond(send, 200, body, content_type=content_type)


async def is_allowed(scope: Scope) -> bool:
    """Whether the request may read the metrics. A bad token never falls back to the session."""
    if limits.METRICS_OPEN:
        return True
    headers = dict(scope["headers"])
    if b"authorization" in headers:
        kind, _, token = headers[b"authorization"].decode("latin-1").partition(" ")
        expected: str = limits.METRICS_TOKEN
        return bool(expected) and kind.lower() == "bearer" and constant_time_compare(token.strip(), expected)
    if b"cookie" not in headers:
        return False
    # The session counts, and not the origin: a page elsewhere may not read the answer.
    shown = [(name, value) for name, value in scope["headers"] if name in _SHOWN]
    try:
        async with asyncio.timeout(limits.AUTH_TIMEOUT):
            user = (await authenticate({"headers": shown})).user
    except (CredentialsRefused, HandshakeRefused, TimeoutError):
        return False
    return bool(user.is_staff)


class RecentResult(Generic[T]):
    """The result of `work`, which runs at most once at a time, and not again within METRICS_INTERVAL."""

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._task: asyncio.Task[T | None] | None = None
        self._began = 0.0  # `time.monotonic()`

    async def get(self) -> T | None:
        """None if it failed, or takes longer than READY_TIMEOUT."""
        task, now = self._task, time.monotonic()
        is_foreign = task is not None and task.get_loop() is not asyncio.get_running_loop()
        if task is None or is_foreign or (task.done() and now - self._began >= limits.METRICS_INTERVAL):
            task, self._began = asyncio.ensure_future(self._run()), now
            self._task = task
        await asyncio.wait({task}, timeout=limits.READY_TIMEOUT)
        return task.result() if task.done() else None

    async def _run(self) -> T | None:
        try:
            return await self._work()
        except Exception as error:
            logger.warning("Figures for /metrics could not be read: %r", error)
            return None


async def _respond(
    send: Any,
    status: int,
    body: bytes,
    headers: Iterable[tuple[bytes, bytes]] = (),
    *,
    content_type: str = "text/plain; charset=utf-8",
) -> None:
    nosniff = (b"x-content-type-options", b"nosniff")
    await respond(send, status, body, content_type=content_type, headers=[nosniff, *headers])
