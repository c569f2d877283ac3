"""Waiting for what another task, thread or process does, where no event tells of it: look until it is so.

until(lambda: "Ready" in server.output)
await until_in_loop(lambda: len(readers) == 4)

Where an event can be awaited, await that. Time that a test itself wants passes by `rest`. Nothing else in the tests
sleeps (`tests/test_layout.py` looks).
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Iterator

PATIENCE = 30.0  # seconds; only a test that fails waits for so long
PAUSE = 0.01


def rest(seconds: float) -> None:
    """The pace of a load, the back-off of a client, how long a fault lasts: what the test does to the program. Not to
    hope that something has happened meanwhile, nor to show that nothing has."""
    time.sleep(seconds)


async def rest_in_loop(seconds: float) -> None:
    """The same, and the loop runs on meanwhile."""
    await asyncio.sleep(seconds)


def looks(patience: float = PATIENCE, pause: float = PAUSE) -> Iterator[None]:
    """`for _ in looks(): ...` comes again and again, and ends when the patience does."""
    end = time.monotonic() + patience
    yield
    while time.monotonic() < end:
        time.sleep(pause)
        yield


def until(condition: Callable[[], bool], what: object = "", patience: float = PATIENCE) -> None:
    """Returns when it is so. AssertionError when it never is."""
    for _ in looks(patience):
        if condition():
            return
    raise AssertionError(f"It never came to be so, within {patience} s. {what}")


async def until_in_loop(
    condition: Callable[[], bool | Awaitable[bool]], what: object = "", patience: float = PATIENCE
) -> None:
    """The same, and the loop runs on meanwhile. The condition may be a coroutine function."""
    end = time.monotonic() + patience
    while True:
        found = condition()
        if await found if inspect.isawaitable(found) else found:
            return
        if time.monotonic() > end:
            raise AssertionError(f"It never came to be so, within {patience} s. {what}")
        await asyncio.sleep(PAUSE)
