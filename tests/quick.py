"""Marks the quick tests. `pytest -m quick` runs the tests that need no transaction of their own, no process, no socket.

There is no list of them. A test gets the mark when it is collected, unless

- it commits: `django_db(transaction=True)`, or a fixture that needs `transactional_db`; or
- its file can start a process or open a socket: it imports what does, or another file of the tests that does.

The mark is checked: a quick test that starts a process or connects a socket fails, in every run.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

import pytest

LIVE = (
    "subprocess",
    "multiprocessing",
    "socket",
    "http.client",
    "http.server",
    "urllib.request",
    "asyncio.subprocess",
    "playwright",
)
EVENTS = {"subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec", "socket.bind", "socket.connect"}

_guarded: list[str] = []  # the quick test that runs


def is_quick(item: pytest.Item) -> bool:
    """Fuzzing is not: its inputs are many."""
    if not isinstance(item, pytest.Function) or item.module.__name__.startswith("tests.fuzz."):
        return False
    return not _commits(item) and not _is_live(item.module.__name__)


def _commits(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("django_db")
    fixtures = {"transactional_db", "live_server"} & set(getattr(item, "fixturenames", ()))
    return bool(fixtures) or bool(mark and (mark.kwargs.get("transaction") or mark.args[:1] == (True,)))


def holds_a_socket(item: pytest.Item) -> bool:
    """Whether the test connects clients to the consumer, in its own process."""
    return "live_client" in getattr(item, "fixturenames", ())


@cache
def _is_live(name: str) -> bool:
    """Whether a test file can start a process or open a socket, judged by its imports."""
    seen = {name}
    ahead = [name]
    while ahead:
        for origin in _origins(sys.modules[ahead.pop()]):
            if any(origin == live or origin.startswith(f"{live}.") for live in LIVE):
                return True
            if origin.startswith("tests.") and origin not in seen and origin in sys.modules:
                seen.add(origin)
                ahead.append(origin)
    return False


def _origins(module: ModuleType) -> set[str]:
    """The modules in which the names of this module are defined."""
    return {
        value.__name__ if isinstance(value, ModuleType) else str(getattr(value, "__module__", ""))
        for value in vars(module).values()
    }


def _watch(event: str, arguments: Any) -> None:
    if _guarded and event in EVENTS:
        raise RuntimeError(f"{_guarded[-1]} counts as quick (tests/quick.py), but does this: {event}{arguments}")


@contextmanager
def held_to_it(item: pytest.Item) -> Iterator[None]:
    """Inside the block, a test with the mark fails if it starts a process or connects a socket."""
    if item.get_closest_marker("quick"):
        _guarded.append(item.nodeid)
    try:
        yield
    finally:
        _guarded.clear()


sys.addaudithook(_watch)
