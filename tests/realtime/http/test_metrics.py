"""Who may read `/metrics`, and what a scrape costs."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from channels.testing import HttpCommunicator
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from config.asgi import application
from realtime.http import stored_gauges
from realtime.http.metrics import MetricsPage
from tests.database import in_db
from tests.waiting import rest_in_loop

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "a token of Prometheus"
BEARER = (b"authorization", f"Bearer {TOKEN}".encode())
OPENMETRICS = (b"accept", b"application/openmetrics-text; version=1.0.0; charset=utf-8")


@pytest.fixture(autouse=True)
def _nothing_is_kept(settings: Settings) -> None:
    settings.REALTIME = {"METRICS_TOKEN": TOKEN, "METRICS_INTERVAL": 0.001}


async def get(
    *headers: tuple[bytes, bytes],
    pages: Any = application,
    method: str = "GET",
    path: str = "/metrics",
    host: bytes = b"10.1.2.3:8000",  # not allowed: Prometheus asks by the address of a pod
) -> dict[str, Any]:
    asked = HttpCommunicator(pages, method, path, headers=[(b"host", host), *headers])
    answer: dict[str, Any] = await asked.get_response(timeout=20)
    return {**answer, "headers": dict(answer["headers"]), "body": answer["body"].decode()}


def figures(answer: dict[str, Any]) -> dict[str, float]:
    """The values of metrics without labels."""
    assert answer["status"] == 200
    families = text_string_to_metric_families(answer["body"])
    return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}


async def test_prometheus_reads_them_with_the_token() -> None:
    answer = await get(BEARER)
    assert answer["headers"][b"content-type"].startswith(b"text/plain; version=")
    found = figures(answer)
    assert (found["runwire_database_up"], found["runwire_unnumbered_events"]) == (1, 0)


async def test_openmetrics_is_sent_to_whom_accepts_it() -> None:
    answer = await get(BEARER, OPENMETRICS)
    assert answer["headers"][b"content-type"].startswith(b"application/openmetrics-text; version=1.0.0")
    assert answer["body"].endswith("# EOF\n")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"Bearer another token")],
        [(b"authorization", b"Bearer ")],
        [(b"authorization", b"Bearer \xe9\xff")],
        [(b"authorization", f"Basic {TOKEN}".encode())],
        [(b"cookie", b"sessionid=unknown")],
        [(b"cookie", b'sessionid="\\000"')],
    ],
)
@pytest.mark.parametrize("host", [b"localhost", b"10.1.2.3:8000"])
async def test_nobody_else_reads_them_and_the_refusal_says_how(headers: list[tuple[bytes, bytes]], host: bytes) -> None:
    answer = await get(*headers, host=host)
    assert (answer["status"], answer["headers"][b"www-authenticate"]) == (401, b"Bearer")
    assert "METRICS_TOKEN" in answer["body"]
    assert "METRICS_OPEN" in answer["body"]
    assert "runwire_" not in answer["body"]


async def test_an_empty_token_opens_nothing(settings: Settings) -> None:
    settings.REALTIME = {}
    assert (await get((b"authorization", b"Bearer ")))["status"] == 401
    assert (await get())["status"] == 401


async def test_a_setting_opens_them(settings: Settings) -> None:
    settings.REALTIME = {"METRICS_OPEN": True}
    assert (await get())["status"] == 200


async def test_staff_read_them_with_a_session_and_other_users_do_not() -> None:
    def cookie_of(user: User) -> tuple[bytes, bytes]:
        client = Client()
        client.force_login(user)
        return (b"cookie", f"{django_settings.SESSION_COOKIE_NAME}={client.session.session_key}".encode())

    staff = await in_db(User.objects.create)(username="staff", is_staff=True)
    user = await in_db(User.objects.create)(username="user")
    gone = await in_db(User.objects.create)(username="gone", is_staff=True)
    cookies = [await in_db(cookie_of)(each) for each in (staff, user, gone)]
    await in_db(User.objects.filter(pk=gone.pk).update)(is_active=False)
    assert [(await get(cookie, host=b"localhost"))["status"] for cookie in cookies] == [200, 401, 401]
    assert (await get(cookies[0], (b"authorization", b"Bearer wrong"), host=b"localhost"))["status"] == 401
    # By a domain that was rebound to this server, a foreign page could read the answer.
    assert (await get(cookies[0], host=b"rebound.example"))["status"] == 401


async def test_a_refusal_is_counted() -> None:
    def refused(body: str) -> float:
        families = text_string_to_metric_families(body)
        samples = [sample for family in families for sample in family.samples]
        return sum(each.value for each in samples if each.labels == {"cause": "metrics"})

    before = refused((await get(BEARER))["body"])
    await get((b"authorization", b"Bearer guess"))
    assert refused((await get(BEARER))["body"]) == before + 1


async def test_only_get_and_head_are_answered() -> None:
    assert (await get(BEARER, method="POST"))["status"] == 405
    assert (await get(BEARER, method="HEAD"))["status"] == 200


async def test_other_paths_go_on() -> None:
    async def echo(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    assert (await get(pages=MetricsPage(echo), path="/metrics/more"))["status"] == 204


# The cost of a scrape


class Database:
    """Counts the reads, and may fail or hang."""

    def __init__(self) -> None:
        self.reads = 0
        self.error: Exception | None = None
        self.is_open = threading.Event()
        self.is_open.set()

    def read(self) -> dict[str, stored_gauges.Value]:
        self.reads += 1
        assert self.is_open.wait(20)
        if self.error:
            raise self.error
        return {"unnumbered_events": 7}


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    database = Database()
    monkeypatch.setattr(stored_gauges, "read", database.read)
    yield database
    database.is_open.set()


async def test_scrapes_read_the_database_once_in_an_interval(settings: Settings, database: Database) -> None:
    settings.REALTIME = {"METRICS_OPEN": True, "METRICS_INTERVAL": 3600}
    pages = MetricsPage(application)
    for answers in (await asyncio.gather(*(get(pages=pages) for _ in range(10))), [await get(pages=pages)]):
        assert {figures(answer)["runwire_unnumbered_events"] for answer in answers} == {7}
    assert database.reads == 1


async def test_after_the_interval_the_database_is_read_again(database: Database) -> None:
    pages = MetricsPage(application)
    for _ in range(3):
        await get(BEARER, pages=pages)
        await rest_in_loop(0.002)
    assert database.reads == 3


async def test_without_the_database_the_metrics_of_the_process_come(database: Database) -> None:
    database.error = OperationalError("password=secret")
    answer = await get(BEARER, pages=MetricsPage(application))
    found = figures(answer)
    assert found["runwire_database_up"] == 0
    assert "runwire_errors_total" in found
    assert "runwire_unnumbered_events" not in found
    assert "secret" not in answer["body"]


async def test_many_scrapes_wait_for_a_hanging_database_in_one_thread(settings: Settings, database: Database) -> None:
    settings.REALTIME = {"METRICS_OPEN": True, "METRICS_INTERVAL": 0.001, "READY_TIMEOUT": 0.2}
    database.is_open.clear()
    pages = MetricsPage(application)
    for _ in range(2):
        answers = await asyncio.gather(*(get(pages=pages) for _ in range(20)))
        assert {figures(answer)["runwire_database_up"] for answer in answers} == {0}
    assert database.reads == 1


async def test_a_redis_that_is_away_is_shown(settings: Settings) -> None:
    layer = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": ["redis://127.0.0.1:1"]}}
    settings.CHANNEL_LAYERS = {"default": layer}
    assert figures(await get(BEARER, pages=MetricsPage(application)))["runwire_channel_layer_up"] == 0
