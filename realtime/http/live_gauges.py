"""The gauges of this process, read where they are kept. Importing this file registers them."""

from collections.abc import Mapping
from typing import Any

from django.db import connections

from realtime import asgi_extension, db
from realtime.conf import limits
from realtime.hub.registry import live_hubs
from realtime.log.store import database
from realtime.metrics import add_gauges
from realtime.publishing import announcer


def count_watchers() -> dict[str, int]:
    """The sockets, streams and subscriptions of all hubs."""
    hubs = live_hubs()
    return {
        "sockets": sum(hub.sockets for hub in hubs),
        "streams": sum(len(hub.streams) for hub in hubs),
        "subscriptions": sum(len(stream.subscriptions) for hub in hubs for stream in list(hub.streams.values())),
    }


def _of_server() -> Mapping[str, float]:
    if asgi_extension.count_sockets is None:
        return {}
    counts = asgi_extension.count_sockets()
    return {
        "sockets_behind": counts["behind"],
        "sockets_paused": counts["paused"],
        "send_buffer_bytes": counts["buffered_bytes"],
    }


def _of_announcer() -> Mapping[str, float]:
    announcements, size = announcer.load()
    return {"announcer_queue": announcements, "announcer_queue_bytes": size}


def _of_threads() -> Mapping[str, float]:
    busy, waiting = db.thread_use()
    return {
        "database_threads": limits.DB_THREADS,
        "database_threads_busy": busy,
        "database_calls_waiting": waiting,
    }


def _of_pool() -> Mapping[str, float]:
    # Not by `pool`, which makes a pool where there is none yet.
    pools: Any = getattr(connections[database()], "_connection_pools", {})
    pool = pools.get(database())
    if pool is None:
        return {}
    stats = pool.get_stats()
    return {
        "database_pool_limit": stats["pool_max"],
        "database_pool_used": stats["pool_size"] - stats["pool_available"],
        "database_pool_waiting": stats["requests_waiting"],
    }


for _read in (count_watchers, _of_server, _of_announcer, _of_threads, _of_pool):
    add_gauges(_read)
