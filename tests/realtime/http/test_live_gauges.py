"""The gauges of a process."""

import asyncio
import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections

from realtime import asgi_extension
from realtime.conf import limits
from realtime.db import in_thread
from realtime.http import live_gauges
from realtime.metrics import values
from tests.database import in_db
from tests.realtime.conftest import ConnectClient
from tests.waiting import until_in_loop

pytestmark = pytest.mark.django_db(transaction=True)


def gauges() -> dict[str, float]:
    return {
        sample.name.removeprefix("runwire_"): sample.value
        for family in values.collect()
        for sample in family.samples
        if family.type == "gauge"
    }


async def test_sockets_streams_and_subscriptions(live_client: ConnectClient, user: User, other_user: User) -> None:
    for each in (user, user, other_user):
        await live_client(each)
    found = await in_db(gauges)()
    assert [found[name] for name in ("sockets", "streams", "subscriptions")] == [3, 2, 3]


async def test_threads_that_work_and_calls_that_wait() -> None:
    go_on = threading.Event()
    calls = [asyncio.ensure_future(in_thread(go_on.wait, 20)) for _ in range(limits.DB_THREADS + 3)]

    def use() -> Any:
        return live_gauges._of_threads()

    await until_in_loop(lambda: use()["database_threads_busy"] == limits.DB_THREADS)
    assert use() == {
        "database_threads": limits.DB_THREADS,
        "database_threads_busy": limits.DB_THREADS,
        "database_calls_waiting": 3,
    }
    calls[-1].cancel()
    await asyncio.wait({calls[-1]})
    assert use()["database_calls_waiting"] == 2
    go_on.set()
    await asyncio.gather(*calls[:-1])
    await until_in_loop(lambda: use()["database_threads_busy"] == use()["database_calls_waiting"] == 0)


def test_slow_clients_are_counted_by_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"sockets": 9, "behind": 2, "buffered_bytes": 4096, "paused": 1, "draining": False}
    monkeypatch.setattr(asgi_extension, "count_sockets", lambda: counts)
    found = gauges()
    assert [found[name] for name in ("sockets_behind", "sockets_paused", "send_buffer_bytes")] == [2, 1, 4096]


@pytest.mark.postgres
def test_connections_of_the_pool() -> None:
    connection.ensure_connection()
    found = gauges()
    assert found["database_pool_limit"] == connection.settings_dict["OPTIONS"]["pool"]["max_size"]
    assert 1 <= found["database_pool_used"] <= found["database_pool_limit"]
    assert found["database_pool_waiting"] == 0


@pytest.mark.postgres
def test_asking_makes_no_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    wrapper = type(connections[connection.alias])
    monkeypatch.setattr(wrapper, "_connection_pools", {})
    gauges()
    assert wrapper._connection_pools == {}  # type: ignore[attr-defined]
