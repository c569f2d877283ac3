"""What probes are told."""

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
    # A Host that is nobody's: a probe comes with the address of a pod.
    answer = await HttpCommunicator(pages, "GET", path, headers=[(b"host", b"10.1.2.3:8000")]).get_response(timeout=20)
    return answer["status"], json.loads(answer["body"])


async def test_a_process_that_lives_says_so_whatever_the_host_is_called() -> None:
    assert await page("/healthz") == (200, {"status": "alive"})


async def test_a_process_that_can_serve_is_ready() -> None:
    status, report = await page("/readyz")
    assert (status, report["status"], report["database"]) == (200, "ready", "ok")
    assert report["channel_layer"] in ("ok", "in memory")


async def test_other_paths_are_djangos() -> None:
    communicator = HttpCommunicator(application, "GET", "/admin/", headers=[(b"host", b"localhost")])
    answer = await communicator.get_response(20)
    await communicator.wait(20)  # until Django has closed what it keeps of the request
    assert answer["status"] == 302


async def test_a_process_that_stops_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi_extension, "is_shutting_down", True)
    status, report = await page("/readyz")
    assert (status, report["status"]) == (503, "draining")


async def test_a_redis_that_is_away_is_said_and_no_reason(settings: Settings) -> None:
    layer = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": ["redis://127.0.0.1:1"]}}
    settings.CHANNEL_LAYERS = {"default": layer}
    status, report = await page("/readyz")
    assert (status, report["channel_layer"]) == (200, "away (ConnectionError)")


async def test_missing_migrations_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_is_migrated", False)
    monkeypatch.setattr(health.MigrationExecutor, "migration_plan", lambda *_: ["0002", "0003"])
    status, report = await page("/readyz")
    assert (status, report["database"]) == (503, "2 migrations are not applied")


async def test_a_database_that_fails_is_named_by_its_exception_and_by_nothing_that_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> str:
        raise ConnectionError("password=secret")

    monkeypatch.setattr(health, "_look_into_database", fail)
    status, report = await page("/readyz")
    assert (status, report["database"]) == (503, "away (ConnectionError)")


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[None]]:
    """A database that answers nobody; the list has an entry for each question."""
    questions: list[None] = []
    thaw = threading.Event()

    def freeze() -> str:
        questions.append(None)
        thaw.wait(20)
        return "ok"

    monkeypatch.setattr(health, "_look_into_database", freeze)
    yield questions
    thaw.set()


async def test_a_frozen_database_is_asked_once_however_many_ask(settings: Settings, frozen: list[None]) -> None:
    settings.REALTIME = {"READY_TIMEOUT": 0.2}
    pages = HealthPages(application)
    answers = await asyncio.gather(*(page("/readyz", pages) for _ in range(20)))
    assert {(status, report["database"]) for status, report in answers} == {(503, "no answer")}
    assert len(frozen) == 1
    assert await page("/healthz", pages) == (200, {"status": "alive"})
