"""Which tests are quick: `pytest -m quick` runs those that need no transaction of their own, no process and no socket.

Nobody keeps a list. A test gets the mark when it is collected, unless

- it commits: `django_db(transaction=True)`, or a fixture that needs `transactional_db`; or
- its file can start a process or open a socket: it imports what does, or another file of the tests that does.

The guess is held: a quick test that starts a process or connects a socket all the same fails, in every run.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

import pytest

LIVE = ("subprocess", "multiprocessing", "socket", "http.client", "urllib.request", "asyncio.subprocess", "playwright")
EVENTS = {"subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec", "socket.bind", "socket.connect"}

_guarded: list[str] = []  # the quick test that runs


def is_quick(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and not _commits(item) and not _is_live(item.module.__name__)


def _commits(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("django_db")
    fixtures = {"transactional_db", "live_server"} & set(getattr(item, "fixturenames", ()))
    return bool(fixtures) or bool(mark and (mark.kwargs.get("transaction") or mark.args[:1] == (True,)))


def holds_a_socket(item: pytest.Item) -> bool:
    """Whether the test connects clients to the consumer, in its own process."""
    return "live_client" in getattr(item, "fixturenames", ())


@cache
def _is_live(name: str) -> bool:
    """Whether a file of the tests can start a process or open a socket, by what stands in it."""
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
    """The modules that the names of this one come from."""
    return {
        value.__name__ if isinstance(value, ModuleType) else str(getattr(value, "__module__", ""))
        for value in vars(module).values()
    }


def _watch(event: str, arguments: Any) -> None:
    if _guarded and event in EVENTS:
        raise RuntimeError(f"{_guarded[-1]} counts as quick (tests/quick.py), but does this: {event}{arguments}")


@contextmanager
def held_to_it(item: pytest.Item) -> Iterator[None]:
    """What a test does here, it does as a quick one if it has the mark."""
    if item.get_closest_marker("quick"):
        _guarded.append(item.nodeid)
    try:
        yield
    finally:
        _guarded.clear()


sys.addaudithook(_watch)
