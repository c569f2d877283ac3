"""Fixtures for all tests: two users, a private Redis, web servers of our own."""

import gc
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from urllib.parse import quote

import hypothesis
import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from django.db import connection, connections
from redis import Redis as RedisClient

from realtime import asgi_extension, budgets
from tests.servers import NotInstalledError, Redis, WebServer

hypothesis.settings.register_profile("runwire", deadline=None)  # nothing is timed
hypothesis.settings.load_profile("runwire")

# Tests need no slow hash. The count is part of the hash, so other processes can check it, too.
PBKDF2PasswordHasher.iterations = 1


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """SQLite's test database is a file. With a database in memory, threads of one process get "table is locked"."""
    database = connections.settings["default"]
    if database["ENGINE"].endswith("sqlite3"):
        database["TEST"]["NAME"] = f"{database['NAME']}-test"


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """The private server or folder goes with its databases. To drop them first would wait for open connections."""
    return True


@pytest.fixture(scope="session", autouse=True)
def _no_housekeeping() -> None:
    """The sockets of a test would start its thread, which writes to the database of the next test."""
    asgi_extension.background.clear()


@pytest.fixture(scope="session", autouse=True)
def _pools_are_closed() -> Iterator[None]:
    yield
    for each in connections.all(initialized_only=True):
        each.close()
        if hasattr(each, "close_pool"):
            each.close_pool()


@pytest.fixture(autouse=True)
def _budgets_are_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new user can get the primary key of a user of an earlier test, and must not be refused because of that one.
    Counts stay in this process: the Redis of the test run would keep them, and quick tests may not connect to it."""
    monkeypatch.delitem(settings.CACHES, "throttling", raising=False)
    budgets.reset()


@pytest.fixture
def user(db: None) -> User:
    return get_user_model().objects.create_user("user", password="a password of user")


@pytest.fixture
def other_user(db: None) -> User:
    return get_user_model().objects.create_user("other_user", password="a password of other_user")


@pytest.fixture
def redis_server() -> Iterator[Redis]:
    """A Redis for one test, in SQLite runs, too. The test may kill, freeze and restart it."""
    try:
        server = Redis()
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with server:
        yield server


StartWebServer = Callable[..., WebServer]


@pytest.fixture
def web_server(transactional_db: None) -> Iterator[StartWebServer]:
    """Starts web servers on the test's own database: `web_server(program="daphne", redis=redis_server)`.

    Without `redis` the server has the layer of the test run. Each server runs until the test is over.
    """
    if url := os.environ.get("REDIS_URL"):
        with closing(RedisClient.from_url(url)) as counts:
            counts.flushdb()  # what earlier tests were throttled for
    with ExitStack() as life:

        def start(
            environment: Mapping[str, str] | None = None,
            *,
            program: str = "runwire",
            options: Sequence[str] = (),
            redis: Redis | None = None,
        ) -> WebServer:
            own = {"DATABASE_URL": address_of_test_database(), **(environment or {})}
            if redis is not None:
                own["REDIS_URL"] = redis.url
            return life.enter_context(WebServer(own, program=program, options=options))

        yield start


def address_of_test_database() -> str:
    """The URL of the test database, for other processes."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{quote(str(database['NAME']))}"
    return f"postgres://{database['USER']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"


@pytest.fixture
def without_collector() -> Iterator[None]:
    """No garbage collection, so that a cycle stays in memory."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
