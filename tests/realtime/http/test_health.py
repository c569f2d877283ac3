"""The health pages."""

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from channels.testing import HttpCommunicator
from pytest_django import Settings

from config.asgi import application
from realtime import asgi_extension
from realtime.http import health
from realtime.http.health import HealthPages

pytestmark = pytest.mark.django_db(transaction=True)


async def page(path: str, pages: Any = application) -> tuple[int, dict[str, str]]:
    # A Host that is not allowed: that of a probe is the address of a pod.
    answer = await HttpCommunicator(pages, "GET", path, headers=[(b"host", b"10.1.2.3:8000")]).get_response(timeout=20)
    return answer["status"], json.loads(answer["body"])


async def test_a_live_process_is_healthy_for_any_host() -> None:
    assert await page("/healthz") == (200, {"status": "alive"})


async def test_the_page_of_the_peer_is_answered_byte_for_byte_as_it_does() -> None:
    answer = await HttpCommunicator(application, "GET", "/health", headers=[]).get_response(timeout=20)
    assert (answer["status"], answer["body"]) == (200, b'{"status":"healthy"}')


async def test_a_process_that_can_serve_is_ready() -> None:
    status, report = await page("/readyz")
    assert (status, report["status"], report["database"]) == (200, "ready", "ok")
    assert report["channel_layer"] in ("ok", "in memory")


async def test_other_paths_go_to_django() -> None:
    communicator = HttpCommunicator(application, "GET", "/admin/", headers=[(b"host", b"localhost")])
    answer = await communicator.get_response(20)
    await communicator.wait(20)  # until Django has closed the request
    assert answer["status"] == 302


async def test_a_stopping_process_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi_extension, "is_shutting_down", True)
    status, report = await page("/readyz")
    assert (status, report["status"]) == (503, "draining")


async def test_a_redis_that_is_away_is_reported_and_the_process_is_ready(settings: Settings) -> None:
    layer = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": ["redis://127.0.0.1:1"]}}
    settings.CHANNEL_LAYERS = {"default": layer}
    status, report = await page("/readyz")
    assert (status, report["channel_layer"]) == (200, "away (ConnectionError)")


async def test_a_process_with_missing_migrations_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_is_migrated", False)
    monkeypatch.setattr(health.MigrationExecutor, "migration_plan", lambda *_: ["0002", "0003"])
    status, report = await page("/readyz")
    assert (status, report["database"]) == (503, "2 migrations are not applied")


async def test_a_failing_database_is_reported_without_the_text_of_the_exception(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> str:
        raise ConnectionError("password=secret")

    monkeypatch.setattr(health, "_query_database", fail)
    status, report = await page("/readyz")
    assert (status, report["database"]) == (503, "away (ConnectionError)")


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[None]]:
    """A database that hangs. The list has one item for each query."""
    queries: list[None] = []
    thaw = threading.Event()

    def freeze() -> str:
        queries.append(None)
        thaw.wait(20)
        return "ok"

    monkeypatch.setattr(health, "_query_database", freeze)
    yield queries
    thaw.set()


async def test_many_probes_query_a_frozen_database_once(settings: Settings, frozen: list[None]) -> None:
    settings.REALTIME = {"READY_TIMEOUT": 0.2}
    pages = HealthPages(application)
    answers = await asyncio.gather(*(page("/readyz", pages) for _ in range(20)))
    assert {(status, report["database"]) for status, report in answers} == {(503, "no answer")}
    assert len(frozen) == 1
    assert await page("/healthz", pages) == (200, {"status": "alive"})
