"""Tasks that outlive their starter, and work that must not be interrupted."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any


def detached(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task of the process, not of the socket that starts it: it runs in an empty context."""
    return asyncio.get_running_loop().create_task(work, context=contextvars.Context())


async def run_to_end(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs `work` to its end, even if the caller is cancelled meanwhile. Such a cancellation is dropped. Only the end
    of the event loop cancels `work` itself; then it is run once more, in the caller's task."""
    task = asyncio.create_task(work())
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})
    if task.cancelled():
        await work()
