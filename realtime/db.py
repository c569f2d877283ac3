"""The thread pool in which all database work of sockets runs. Its size also bounds their database connections.

Code of a socket uses neither thread-sensitive `sync_to_async` nor the async ORM. Both share one thread with all other
sockets and views, so a heartbeat would wait for another socket's query.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections, connections

from realtime.conf import limits

P = ParamSpec("P")
R = TypeVar("R")

_executor: ThreadPoolExecutor | None = None
_waiting: set[object] = set()  # calls of `in_thread` that have not begun
_busy: set[int] = set()  # threads of the pool that work for one


async def in_thread(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Runs `work` in a thread of the pool and returns its result. Closes an unusable connection before and after it.

    If the connection turns out to be lost, `work` runs a second time with a new one. So it must be safe to repeat. If
    the caller is cancelled or times out while `work` is queued, `work` is never started. So after a database has hung,
    no caller waits for the work of callers that have gone."""
    call = object()

    def run() -> R:
        _waiting.discard(call)
        _busy.add(threading.get_ident())
        try:
            return _run_and_retry(work, *args, **kwargs)
        finally:
            _busy.discard(threading.get_ident())

    _waiting.add(call)
    try:
        return await asyncio.get_running_loop().run_in_executor(_pool(), run)
    finally:
        _waiting.discard(call)


def thread_use() -> tuple[int, int]:
    """How many threads of the pool work, and how many calls wait for one."""
    return len(_busy), len(_waiting)


def _run_and_retry(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    close_old_connections()
    try:
        try:
            return work(*args, **kwargs)
        except (OperationalError, InterfaceError) as error:
            if _is_pool_timeout(error):
                raise
            drop_lost_connections()
            return work(*args, **kwargs)
    finally:
        close_old_connections()


def _is_pool_timeout(error: Exception) -> bool:
    """Whether the connection pool gave no connection in time. A second attempt would wait just as long."""
    return type(error.__cause__).__name__ == "PoolTimeout"


def drop_lost_connections() -> None:
    """Drops this thread's lost connections and those idle in a pool. A restart of the database ends all of them."""
    close_old_connections()
    for connection in connections.all(initialized_only=True):
        pool = getattr(connection, "pool", None)
        if pool is not None:
            pool.check()


def on_request_exception(sender: Any, **kwargs: Any) -> None:
    """Drops the lost connections after a view has failed because of one, so that no other view meets one."""
    error = sys.exc_info()[1]
    if isinstance(error, (OperationalError, InterfaceError)) and not _is_pool_timeout(error):
        drop_lost_connections()


def _pool() -> ThreadPoolExecutor:
    global _executor
    if _executor is None:
        _executor = ThreadPoolExecutor(limits.DB_THREADS, thread_name_prefix="realtime-db")
    return _executor


def _reset_after_fork() -> None:
    global _executor
    _executor = None
    _waiting.clear()
    _busy.clear()


os.register_at_fork(after_in_child=_reset_after_fork)
