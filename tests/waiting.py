"""Waiting for another task, thread or process, where no event can be awaited: check a condition until it is true.

until(lambda: "Ready" in server.output)
await until_in_loop(lambda: len(readers) == 4)

Where an event can be awaited, await it. `rest` is for time that the test itself needs. Nothing else in the tests
sleeps; `tests/test_layout.py` checks this.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Iterator

PATIENCE = 30.0  # seconds; only a test that fails waits for so long
PAUSE = 0.01


def rest(seconds: float) -> None:
    """Time that is part of what the test does: the pace of a load, the back-off of a client, the length of a fault. Not
    for waiting until something has happened, and not for showing that nothing has."""
    time.sleep(seconds)


async def rest_in_loop(seconds: float) -> None:
    """`rest` without blocking the event loop."""
    await asyncio.sleep(seconds)


def looks(patience: float = PATIENCE, pause: float = PAUSE) -> Iterator[None]:
    """`for _ in looks(): ...` repeats with a pause, for `patience` seconds."""
    end = time.monotonic() + patience
    yield
    while time.monotonic() < end:
        time.sleep(pause)
        yield


def until(condition: Callable[[], bool], what: object = "", patience: float = PATIENCE) -> None:
    """Returns when the condition is true. Raises AssertionError after `patience` seconds."""
    for _ in looks(patience):
        if condition():
            return
    raise AssertionError(f"The condition was not true within {patience} s. {what}")


async def until_in_loop(
    condition: Callable[[], bool | Awaitable[bool]], what: object = "", patience: float = PATIENCE
) -> None:
    """`until` without blocking the event loop. The condition may be a coroutine function."""
    end = time.monotonic() + patience
    while True:
        found = condition()
        if await found if inspect.isawaitable(found) else found:
            return
        if time.monotonic() > end:
            raise AssertionError(f"The condition was not true within {patience} s. {what}")
        await asyncio.sleep(PAUSE)
