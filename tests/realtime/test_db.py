"""The thread pool for database work."""

import asyncio
import os
import threading
from typing import Any

import pytest
from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError, connection, connections
from psycopg_pool import PoolTimeout

from realtime import db
from realtime.conf import limits
from realtime.db import in_thread
from tests.realtime.side_by_side import Thread, side_by_side

PATIENCE = 20.0  # seconds; only a test that fails waits for so long


async def test_work_runs_in_a_thread_of_the_pool_and_returns_its_result() -> None:
    name = await in_thread(lambda: threading.current_thread().name)
    assert name.startswith("realtime-db")


async def test_arguments_are_passed_and_errors_are_raised() -> None:
    assert await in_thread(divmod, 7, 2) == (3, 1)
    assert await in_thread(sorted, [1, 2], reverse=True) == [2, 1]
    with pytest.raises(ZeroDivisionError):
        await in_thread(divmod, 7, 0)


async def test_at_most_db_threads_run_at_once() -> None:
    running, peak, lock = 0, 0, threading.Lock()
    all_run, go_on = threading.Event(), threading.Event()

    def work() -> None:
        nonlocal running, peak
        with lock:
            running += 1
            peak = max(peak, running)
            if running == limits.DB_THREADS:
                all_run.set()
        assert go_on.wait(PATIENCE)
        with lock:
            running -= 1

    works = [asyncio.ensure_future(in_thread(work)) for _ in range(3 * limits.DB_THREADS)]
    assert await asyncio.to_thread(all_run.wait, PATIENCE)
    go_on.set()
    await asyncio.gather(*works)
    assert peak == limits.DB_THREADS


async def test_work_does_not_block_the_event_loop() -> None:
    go_on = threading.Event()
    work = asyncio.ensure_future(in_thread(go_on.wait, PATIENCE))
    await asyncio.sleep(0)
    assert not work.done()
    go_on.set()
    assert await work


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
async def test_work_with_a_lost_connection_runs_a_second_time(error: type[Exception]) -> None:
    attempts = []

    def work() -> str:
        attempts.append(1)
        if len(attempts) == 1:
            raise error("server closed the connection unexpectedly")
        return "done"

    assert await in_thread(work) == "done"
    assert len(attempts) == 2


async def test_a_second_failure_is_raised() -> None:
    attempts = []

    def work() -> None:
        attempts.append(1)
        raise OperationalError("still away")

    with pytest.raises(OperationalError, match="still away"):
        await in_thread(work)
    assert len(attempts) == 2


async def test_a_timeout_of_the_connection_pool_is_not_retried() -> None:
    attempts = []

    def work() -> None:
        attempts.append(1)
        raise OperationalError("couldn't get a connection after 10 s") from PoolTimeout()

    with pytest.raises(OperationalError, match="couldn't get a connection"):
        await in_thread(work)
    assert len(attempts) == 1


async def test_queued_work_of_callers_that_have_gone_is_never_started() -> None:
    """As while a database hangs, and clients come, wait and leave."""
    started, go_on = [], threading.Event()
    busy = [asyncio.ensure_future(in_thread(go_on.wait, PATIENCE)) for _ in range(limits.DB_THREADS)]
    for _ in range(3):
        waiting = [asyncio.wait_for(in_thread(started.append, "gone"), 0.01) for _ in range(100)]
        assert {type(each) for each in await asyncio.gather(*waiting, return_exceptions=True)} == {TimeoutError}
    stays = asyncio.ensure_future(in_thread(started.append, "stays"))
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(*busy, stays)
    assert started == ["stays"]


async def test_other_errors_are_not_retried() -> None:
    attempts = []

    def work() -> None:
        attempts.append(1)
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        await in_thread(work)
    assert len(attempts) == 1


def query() -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
async def test_a_thread_keeps_no_connection_after_its_work() -> None:
    def work() -> Any:
        query()
        return connections["default"]

    wrapper = await in_thread(work)
    assert wrapper.connection is None

    def fail() -> None:
        works.append(connections["default"])
        query()
        raise ValueError

    works: list[Any] = []
    with pytest.raises(ValueError, match=r"^$"):
        await in_thread(fail)
    assert works[0].connection is None


def backend() -> int:
    """The id of the PostgreSQL process of this thread's connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid: int = cursor.fetchone()[0]
        return pid


def terminate_all_but(own: int) -> None:
    """Ends all connections but this one and the test's own, as a restart of PostgreSQL does."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid NOT IN (%s, pg_backend_pid())",
            [own],
        )


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_connections_that_are_lost_between_two_calls_cause_no_error() -> None:
    async def use_many() -> list[Any]:
        together = threading.Barrier(limits.DB_THREADS)

        def work() -> Any:
            together.wait(PATIENCE)
            return query()

        return await asyncio.gather(*(in_thread(work) for _ in range(limits.DB_THREADS)))

    assert asyncio.run(use_many()) == [1] * limits.DB_THREADS
    terminate_all_but(backend())
    assert asyncio.run(use_one_after_another()) == [1] * limits.DB_THREADS


async def use_one_after_another() -> list[Any]:
    return [await in_thread(query) for _ in range(limits.DB_THREADS)]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_connection_that_is_lost_during_work_is_replaced() -> None:
    begun, lost, own = threading.Event(), threading.Event(), backend()
    attempts = []

    def work() -> Any:
        query()
        attempts.append(1)
        if len(attempts) == 1:
            begun.set()
            assert lost.wait(PATIENCE)
        return query()

    async def lose_it() -> Any:
        result = asyncio.ensure_future(in_thread(work))
        await asyncio.to_thread(begun.wait, PATIENCE)
        await in_thread(terminate_all_but, own)
        lost.set()
        return await result

    assert asyncio.run(lose_it()) == 1
    assert len(attempts) == 2


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_after_a_view_failed_with_a_lost_connection_the_next_ones_work() -> None:
    together = threading.Barrier(5)

    def hold_one() -> None:
        query()
        together.wait(PATIENCE)

    side_by_side(*[hold_one] * 5)
    terminate_all_but(backend())

    def page() -> Any:
        try:
            return query()
        except OperationalError:
            got_request_exception.send(sender=None)  # as Django does after a view has failed
            return "failed"

    results = [Thread(page).result() for _ in range(6)]
    assert results == ["failed"] + [1] * 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
async def test_a_forked_child_has_its_own_threads() -> None:
    await in_thread(query_nothing)
    assert db._executor is not None
    before = db._executor
    db._reset_after_fork()  # Python calls it in the child
    assert await in_thread(query_nothing) is None
    assert db._executor is not before
    before.shutdown()


def query_nothing() -> None:
    pass
