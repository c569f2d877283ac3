"""The thread that tries again what met a locked head."""

import threading
from collections.abc import Callable, Iterable

import pytest
from django.db import connection
from pytest_django import Settings

from realtime.log import store
from realtime.log.types import EventDraft, StreamRef
from realtime.metrics import counts
from realtime.publish import publish
from realtime.publishing import after_commit, retry_thread
from realtime.publishing.retry_thread import RetryThread
from tests.realtime.publishing.announcements import KEY, TIMEOUT, increase
from tests.realtime.side_by_side import in_open_transaction
from tests.waiting import until


def attempts_that_leave(times: int) -> tuple[list[set[str]], Callable[[Iterable[str]], set[str]]]:
    """An attempt that leaves all keys this many times, and the keys of all its calls."""
    calls: list[set[str]] = []

    def attempt(keys: Iterable[str]) -> set[str]:
        calls.append(set(keys))
        return set(keys) if len(calls) <= times else set()

    return calls, attempt


def test_keys_are_tried_until_none_is_left() -> None:
    before, (calls, attempt) = counts(), attempts_that_leave(3)
    thread = RetryThread(attempt)
    thread.add({"a", "b"})
    assert thread.flush(TIMEOUT)
    assert calls[0] == {"a", "b"}
    assert len(calls) >= 4
    assert increase("numbering_retried", before) == 2
    assert increase("numbering_left", before) == 0


def test_a_key_that_stays_locked_is_left_to_the_sweep_and_counted(settings: Settings) -> None:
    settings.REALTIME = {"SWEEP_INTERVAL": 0.05}
    before, (calls, attempt) = counts(), attempts_that_leave(10**6)
    thread = RetryThread(attempt)
    thread.add({"a"})
    assert thread.flush(TIMEOUT)
    assert calls
    assert increase("numbering_left", before) == 1


def test_keys_beyond_the_limit_are_left_to_the_sweep_and_counted(settings: Settings) -> None:
    settings.REALTIME = {"RETRY_STREAMS": 2}
    before, gate = counts(), threading.Event()

    def attempt(keys: Iterable[str]) -> set[str]:
        assert gate.wait(TIMEOUT)
        return set()

    thread = RetryThread(attempt)
    thread.add({"a", "b", "c", "d", "e"})
    assert increase("numbering_retried", before) == 2
    assert increase("numbering_left", before) == 3
    assert not thread.flush(0)
    gate.set()
    assert thread.flush(TIMEOUT)


def test_a_failed_attempt_is_counted_and_later_keys_are_tried() -> None:
    before, tried = counts(), []

    def attempt(keys: Iterable[str]) -> set[str]:
        tried.append(set(keys))
        if len(tried) == 1:
            raise ConnectionError
        return set()

    thread = RetryThread(attempt)
    thread.add({"a"})
    assert thread.flush(TIMEOUT)
    assert increase("numbering_failed", before) == 1
    thread.add({"b"})
    assert thread.flush(TIMEOUT)
    assert tried == [{"a"}, {"b"}]


def test_the_thread_exists_only_while_there_is_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry_thread, "_IDLE_TIME", 0.01)
    calls, attempt = attempts_that_leave(0)
    thread = RetryThread(attempt)
    for number in range(2):
        thread.add({str(number)})
        until(lambda: thread._thread is None)
    assert calls == [{"0"}, {"1"}]


# With the database


def hold_up() -> None:
    """Locks what a numbering pass needs: the head, or on SQLite the database."""
    store.lock_streams([KEY])


@pytest.mark.django_db(transaction=True)
def test_a_writer_does_not_wait_for_a_lock_and_its_event_is_numbered_after_it(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.REALTIME = {"SWEEP_INTERVAL": 3_600.0}
    monkeypatch.setattr(store, "_BRIEF_WAIT", 1)
    before = counts()
    publish(KEY, "order_changed", "order", {"n": 1})
    store.insert([EventDraft("order_changed", '{"n":2}', (StreamRef(KEY, "order"),))])
    writer = after_commit.AfterCommit()
    writer.unnumbered_keys = {KEY}
    with in_open_transaction(hold_up):
        writer()
        assert store.find_unnumbered(1) == [KEY]
    until(lambda: not store.find_unnumbered(1))
    assert increase("numbering_retried", before) == 1
    assert increase("numbering_failed", before) == 0
    assert increase("numbering_left", before) == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.sqlite
def test_a_brief_wait_changes_only_the_statements_inside() -> None:
    def busy_timeout() -> int:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout")
            return int(cursor.fetchone()[0])

    before = busy_timeout()
    with store.brief_wait():
        assert busy_timeout() == store._BRIEF_WAIT != before
    assert busy_timeout() == before
