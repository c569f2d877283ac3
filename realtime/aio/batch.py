"""Batches: callers that arrive while the work runs share the next run, each with a key of its own.

A result is never older than its call, as in `single_flight`. One caller alone does not wait.

Pure: no Django, no I/O.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Batch(Generic[K, V]):
    """`await read(key)` returns what `work` returns for the key, and raises what it raises. A run has at most `limit`
    keys. Event loops share nothing."""

    def __init__(self, work: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]], *, limit: int) -> None:
        self._work, self._limit = work, limit
        self._waiting: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[K, asyncio.Future[V]]] = WeakKeyDictionary()
        self._running: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[None]] = WeakKeyDictionary()

    async def read(self, key: K) -> V:
        loop = asyncio.get_running_loop()
        waiting = self._waiting.setdefault(loop, {})
        future = waiting.get(key)
        if future is None:
            future = waiting[key] = loop.create_future()
            future.add_done_callback(lambda done: done.cancelled() or done.exception())  # its callers may have gone
        if loop not in self._running:
            self._running[loop] = loop.create_task(self._run(loop, waiting), context=contextvars.Context())
        return await asyncio.shield(future)

    async def _run(self, loop: asyncio.AbstractEventLoop, waiting: dict[K, asyncio.Future[V]]) -> None:
        try:
            while waiting:
                futures = {key: waiting.pop(key) for key in list(waiting)[: self._limit]}
                try:
                    results = await self._work(list(futures))
                except Exception as error:
                    for future in futures.values():
                        future.set_exception(error)
                else:
                    for key, future in futures.items():
                        future.set_result(results[key])
        finally:
            del self._running[loop]
            for future in waiting.values():
                future.cancel()
            waiting.clear()
