"""Concurrent threads on one database, each with its own connection."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, connections, transaction

PATIENCE = 30.0  # seconds; only a test that fails waits for so long


class Thread:
    """Starts `work` in a thread. `result` waits for its end, and returns its value or raises its exception."""

    def __init__(self, work: Callable[..., Any], *args: Any) -> None:
        self._value: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work, *args), daemon=True)
        self._thread.start()

    def _run(self, work: Callable[..., Any], *args: Any) -> None:
        try:
            self._value = work(*args)
        except BaseException as error:
            self._error = error
        finally:
            connections.close_all()

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def result(self) -> Any:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "it hangs"
        if self._error is not None:
            raise self._error
        return self._value


def side_by_side(*works: Callable[[], Any]) -> list[Any]:
    """Runs all works concurrently and returns their results."""
    threads = [Thread(work) for work in works]
    return [thread.result() for thread in threads]


@contextmanager
def held(hold: Callable[[threading.Event], Any]) -> Iterator[None]:
    """Runs `hold` in a thread beside the block. The block begins when `hold` has set the event that it gets. After the
    block `hold` continues where it called `until_released()`."""
    begun = threading.Event()
    _release.clear()
    thread = Thread(hold, begun)
    try:
        while not begun.wait(0.01):
            if not thread.is_running:
                thread.result()
                raise AssertionError("`hold` ended without setting its event")
        yield
    finally:
        _release.set()
        thread.result()


@contextmanager
def in_open_transaction(work: Callable[[], Any]) -> Iterator[None]:
    """Does `work` in a transaction of another thread. It stays open during the block and is committed after it."""

    def hold(begun: threading.Event) -> None:
        with transaction.atomic():
            work()
            begun.set()
            until_released()

    with held(hold):
        yield


_release = threading.Event()


def until_released() -> None:
    assert _release.wait(PATIENCE)


def until_waiting(thread: Thread) -> bool:
    """Waits until the thread waits for a lock of PostgreSQL. Returns False if the thread has ended instead."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if not thread.is_running:
            return False
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0]:
                return True
    raise AssertionError("it neither waits nor ends")
