"""Where the sockets' database work runs: one bounded pool of threads, which is also the bound on its connections.

Neither thread-sensitive `sync_to_async` nor the async ORM is used on the way of a socket: both share one thread with
every other socket and view, so that a heartbeat would wait behind another socket's query.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections, connections

from realtime.conf import limits

P = ParamSpec("P")
R = TypeVar("R")

_executor: ThreadPoolExecutor | None = None


async def in_thread(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Runs `work` in the pool. Its connection is checked before and after; work that finds its connection lost is done
    once more with a new one, so it must be safe to repeat. Work whose caller has gone (cancelled, out of time) before
    its turn came is never begun: when a frozen database thaws, nobody waits behind those who have left."""
    return await asyncio.get_running_loop().run_in_executor(_pool(), lambda: _checked(work, *args, **kwargs))


def _checked(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    close_old_connections()
    try:
        try:
            return work(*args, **kwargs)
        except (OperationalError, InterfaceError) as error:
            if _is_crowded(error):
                raise
            drop_lost_connections()
            return work(*args, **kwargs)
    finally:
        close_old_connections()


def _is_crowded(error: Exception) -> bool:
    """No connection of the pool became free or could be made in time; another attempt would wait for as long again."""
    return type(error.__cause__).__name__ == "PoolTimeout"


def drop_lost_connections() -> None:
    """This thread's own, and those that wait in a pool: a database that was restarted has ended all of them."""
    close_old_connections()
    for connection in connections.all(initialized_only=True):
        pool = getattr(connection, "pool", None)
        if pool is not None:
            pool.check()


def on_request_exception(sender: Any, **kwargs: Any) -> None:
    """A page that has met a lost connection is the last one that does."""
    error = sys.exc_info()[1]
    if isinstance(error, (OperationalError, InterfaceError)) and not _is_crowded(error):
        drop_lost_connections()


def _pool() -> ThreadPoolExecutor:
    global _executor
    if _executor is None:
        _executor = ThreadPoolExecutor(limits.DB_THREADS, thread_name_prefix="realtime-db")
    return _executor


def _forget() -> None:
    global _executor
    _executor = None


os.register_at_fork(after_in_child=_forget)
