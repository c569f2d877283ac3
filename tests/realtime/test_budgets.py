"""Budgets: what a window allows, in the memory of the process, in a shared Redis, and while Redis is away."""

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pytest_django import Settings

from realtime import budgets
from realtime.budgets import Budget, OverBudget
from tests.realtime.conftest import Counted
from tests.servers import Redis
from tests.waiting import until

WRITES = Budget("USER_WRITES", "API_WINDOW", "changing requests of a user", "throttled_requests")
Clock = Callable[[float], None]


@pytest.fixture(autouse=True)
def _limits(settings: Settings) -> None:
    settings.REALTIME = {"USER_WRITES": 3, "API_WINDOW": 10}
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


@pytest.fixture
def move_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stops the clock, and moves it by so many seconds at each call."""
    moment = time.time()

    def move(seconds: float) -> None:
        nonlocal moment
        moment += seconds
        monkeypatch.setattr(budgets, "now", lambda: moment)

    move(0)
    return move


def use_redis(settings: Settings, server: Redis) -> None:
    settings.CACHES = {**settings.CACHES, "throttling": redis_cache(server.url)}


def redis_cache(url: str) -> dict[str, Any]:
    """The cache of config/settings.py with this Redis."""
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": [url],
        "OPTIONS": {
            "serializer": "realtime.budgets.Numbers",
            "socket_timeout": 0.25,
            "socket_connect_timeout": 0.25,
            "retry": Retry(NoBackoff(), 0),
        },
    }


def spend_all(key: object = "ada") -> int:
    """Spends one after the other until a refusal. Returns how often it was allowed."""
    for allowed in range(100):
        try:
            WRITES.spend(key)
        except OverBudget:
            return allowed
    raise AssertionError("No limit")


def test_a_window_allows_the_amount_and_the_next_one_again(move_clock: Clock) -> None:
    assert spend_all() == 3
    move_clock(10)
    assert spend_all() == 3


def test_each_key_has_a_budget_of_its_own(move_clock: Clock) -> None:
    assert [spend_all(key) for key in ("ada", "ben", 1, "1", (1, 2))] == [3] * 5


def test_a_refusal_names_the_limit_and_the_time_to_wait(move_clock: Clock, counted: Counted) -> None:
    WRITES.spend("ada", 3)
    with pytest.raises(OverBudget) as refused:
        WRITES.spend("ada")
    assert str(refused.value) == 'More than 3 changing requests of a user in 10 seconds (REALTIME["USER_WRITES"]).'
    assert refused.value.limit == "USER_WRITES"
    assert 1 <= refused.value.retry_after <= 10
    assert counted["throttled_requests"] == 1
    move_clock(refused.value.retry_after)
    WRITES.spend("ada")


def test_the_windows_of_different_keys_begin_at_different_moments(move_clock: Clock) -> None:
    waits = set()
    for key in range(30):
        spend_all(key)
        with pytest.raises(OverBudget) as refused:
            WRITES.spend(key)
        waits.add(refused.value.retry_after)
    assert len(waits) > 3


def test_an_amount_of_zero_is_no_limit(settings: Settings) -> None:
    settings.REALTIME = {"USER_WRITES": 0}
    for _ in range(50):
        WRITES.spend("ada")
    WRITES.check("ada")


def test_a_cost_above_one_counts_as_a_whole(move_clock: Clock) -> None:
    WRITES.spend("ada", 3)
    with pytest.raises(OverBudget):
        WRITES.check("ada")


def test_a_million_keys_do_not_fill_the_memory(settings: Settings) -> None:
    settings.REALTIME = {"BUDGET_KEYS": 100}
    budgets.reset()
    for key in range(2_000):
        WRITES.spend(key)
    assert len(budgets._store.local._cache) <= 100


def test_a_key_that_is_used_survives_a_flood_of_others(settings: Settings, move_clock: Clock) -> None:
    settings.REALTIME = {**settings.REALTIME, "BUDGET_KEYS": 100}
    budgets.reset()
    spend_all()
    for key in range(1_000):
        WRITES.spend(key)
        if key % 20 == 0:
            WRITES.spent("ada")
    with pytest.raises(OverBudget):
        WRITES.spend("ada")


def test_many_threads_get_the_amount_together(settings: Settings, move_clock: Clock) -> None:
    settings.REALTIME = {"USER_WRITES": 50, "API_WINDOW": 10}

    def try_once(_: int) -> bool:
        try:
            WRITES.spend("ada")
        except OverBudget:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(try_once, range(200))) == 50


def test_what_is_remembered_is_known() -> None:
    assert not budgets.is_remembered("address", "ada")
    budgets.remember("address", "ada", 60)
    assert budgets.is_remembered("address", "ada")
    assert not budgets.is_remembered("address", "ben")


# --- Redis ---


OTHER_PROCESS = """
import sys
import django
django.setup()
from django.conf import settings
from tests.realtime.test_budgets import WRITES, redis_cache, spend_all
settings.CACHES = {"default": settings.CACHES["default"], "throttling": redis_cache(sys.argv[1])}
settings.REALTIME = {"USER_WRITES": 5, "API_WINDOW": 3600}
print(spend_all(), flush=True)
"""


def test_two_processes_share_a_budget_by_redis(settings: Settings, redis_server: Redis) -> None:
    use_redis(settings, redis_server)
    settings.REALTIME = {"USER_WRITES": 5, "API_WINDOW": 3600}
    WRITES.spend("ada")
    WRITES.spend("ada")
    words = [sys.executable, "-c", OTHER_PROCESS, redis_server.url]
    other = subprocess.run(words, capture_output=True, text=True, check=False)
    assert other.stdout == "3\n", other.stderr
    assert spend_all() == 0


def test_redis_forgets_old_windows(settings: Settings, redis_server: Redis) -> None:
    use_redis(settings, redis_server)
    WRITES.spend("ada")
    (key,) = redis_server.words("KEYS *")
    assert 0 < int(redis_server.ask(f"TTL {key}").removeprefix(":")) <= 20
    assert "ada" not in key


def test_without_redis_a_process_counts_for_itself(
    settings: Settings, redis_server: Redis, move_clock: Clock, counted: Counted
) -> None:
    use_redis(settings, redis_server)
    WRITES.spend("ada")
    redis_server.kill()
    assert spend_all() == 3
    assert spend_all() == 0
    assert counted["throttling_alone"] == 1


def test_a_frozen_redis_is_asked_once_and_then_left_alone(
    settings: Settings, redis_server: Redis, move_clock: Clock, counted: Counted
) -> None:
    use_redis(settings, redis_server)
    WRITES.spend("ada")
    redis_server.freeze()
    try:
        assert spend_all() == 3
    finally:
        redis_server.thaw()
    assert counted["throttling_alone"] == 1


def test_redis_is_used_again_when_it_is_back(
    settings: Settings, redis_server: Redis, monkeypatch: pytest.MonkeyPatch, move_clock: Clock
) -> None:
    monkeypatch.setattr(budgets, "RETRY_INTERVAL", 0.0)
    use_redis(settings, redis_server)
    redis_server.kill()
    spend_all()
    redis_server.start()

    def is_shared() -> bool:
        WRITES.spend("ben", 0)
        return redis_server.words("KEYS *") != []

    until(is_shared)


def test_the_serializer_runs_nothing_that_others_put_into_redis(
    settings: Settings, redis_server: Redis, counted: Counted
) -> None:
    """Django's own serializer would unpickle it. Here it counts as a failure of the cache."""
    use_redis(settings, redis_server)
    WRITES.spend("ada")
    (key,) = redis_server.words("KEYS *")
    redis_server.ask(f"SET {key} cposix\\nsystem")
    assert WRITES.spent("ada") == 0
    assert counted["throttling_alone"] == 1
