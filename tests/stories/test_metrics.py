"""`/metrics` of real servers: one process, and several that share a folder."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from django.contrib.auth.models import User
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from executions.models import GraphExecution
from executions.services import report_node
from tests.conftest import address_of_test_database
from tests.database import in_db
from tests.realtime.clients import PATIENCE
from tests.realtime.layers import redis_layer
from tests.servers import Redis
from tests.stories.doors import LiveServer, ServerDoor, Servers
from tests.stories.test_base_protocol import watch
from tests.waiting import until_in_loop

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]

TOKEN = "a token of Prometheus"
NEVER = {"SWEEP_INTERVAL": 3600}  # so that an event comes by its announcement only
SOCKETS = 6
WORKER = """
import django
django.setup()
from executions.models import GraphExecution
from executions.services import report_node
for number in range(10):
    report_node(GraphExecution.objects.get(), node_id=str(number), status="RUNNING")
"""


class Figures:
    """The metrics of a server, as Prometheus reads them."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server

    async def read(self, name: str, **labels: str) -> float:
        return await asyncio.to_thread(self._read, name, labels)

    def _read(self, name: str, labels: dict[str, str]) -> float:
        page = Request(f"{self.server.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        with urlopen(page, timeout=PATIENCE) as answer:
            text = answer.read().decode()
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        found = [each.value for each in samples if (each.name, each.labels) == (name, labels)]
        assert len(found) == 1, (name, labels, text)
        return float(found[0])


@pytest.fixture
def life() -> Iterator[ExitStack]:
    with ExitStack() as life:
        yield life


def processes_of(folder: Path) -> set[int]:
    """The processes with gauges in the folder."""
    return {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_livesum_*.db")}


@pytest.mark.parametrize("program", ["runwire", "uvicorn"])
async def test_a_process_alone_needs_no_configuration(
    program: str,
    servers: Servers,
    redis_server: Redis,
    settings: Settings,
    life: ExitStack,
    user: User,
    execution: GraphExecution,
) -> None:
    servers.need_a_client()
    settings.CHANNEL_LAYERS = layers = redis_layer(redis_server.url)
    server = life.enter_context(
        LiveServer(program, limits=NEVER | {"METRICS_TOKEN": TOKEN, "METRICS_INTERVAL": 0.001}, layers=layers)
    )
    figures, door = Figures(server), ServerDoor(server)
    for _ in range(2):
        await watch(await door.client(user), execution)
    assert await figures.read("runwire_sockets") == 2
    assert await figures.read("runwire_subscriptions") == 4
    assert await figures.read("runwire_streams") == 2
    answered = await figures.read("runwire_sent_frames_total")
    await in_db(report_node)(execution, node_id="a", status="RUNNING")

    async def has_sent_the_event_to_both() -> bool:
        return await figures.read("runwire_sent_frames_total") == answered + 2

    await until_in_loop(has_sent_the_event_to_both)
    assert await figures.read("runwire_delivery_lag_seconds_count", way="announced") == 1
    assert await figures.read("runwire_delivery_lag_seconds_bucket", way="announced", le="60.0") == 1
    assert await figures.read("runwire_executions", status="QUEUED") == 1
    assert await figures.read("runwire_channel_layer_up") == 1
    redis_server.kill()
    assert await figures.read("runwire_channel_layer_up") == 0
    await door.leave()


async def test_a_repaired_event_has_the_age_of_its_row(
    servers: Servers, settings: Settings, life: ExitStack, user: User, execution: GraphExecution
) -> None:
    """Nothing announces it to the server, which has the in-memory layer."""
    servers.need_a_client()
    in_memory = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    limits = {"METRICS_TOKEN": TOKEN, "SWEEP_INTERVAL": 0.5}
    server = life.enter_context(LiveServer(limits=limits, layers=in_memory))
    settings.CHANNEL_LAYERS = in_memory
    figures, door = Figures(server), ServerDoor(server)
    await watch(await door.client(user), execution)
    await in_db(report_node)(execution, node_id="a", status="RUNNING")

    async def is_repaired() -> bool:
        return await figures.read("runwire_delivery_lag_seconds_count", way="repaired") == 1

    await until_in_loop(is_repaired)
    assert 0 < await figures.read("runwire_delivery_lag_seconds_sum", way="repaired") < PATIENCE
    assert await figures.read("runwire_heads_repaired_total") == 1
    await door.leave()


async def test_processes_that_share_a_folder_show_their_sum(
    servers: Servers,
    redis_server: Redis,
    settings: Settings,
    life: ExitStack,
    tmp_path: Path,
    user: User,
    execution: GraphExecution,
) -> None:
    """Two processes of uvicorn behind one port, and a worker without a port."""
    servers.need_a_client()
    settings.CHANNEL_LAYERS = layers = redis_layer(redis_server.url)
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    server = life.enter_context(
        LiveServer(
            "uvicorn",
            limits={"METRICS_TOKEN": TOKEN, "METRICS_INTERVAL": 0.001},
            layers=layers,
            options=["--workers", "2"],
            **environment,
        )
    )
    figures, door = Figures(server), ServerDoor(server)
    for _ in range(SOCKETS):
        await watch(await door.client(user), execution)

    async def all_are_shown() -> bool:
        return await figures.read("runwire_sockets") == SOCKETS

    await until_in_loop(all_are_shown)
    published = await figures.read("runwire_publish_seconds_count", step="after_commit")
    words = [sys.executable, "-c", WORKER]
    own = {
        **os.environ,
        **environment,
        "REDIS_URL": redis_server.url,
        "DATABASE_URL": await in_db(address_of_test_database)(),
    }
    await asyncio.to_thread(subprocess.run, words, env=own, check=True, timeout=60)
    for _ in range(2):  # the worker has ended: its counters stay
        assert await figures.read("runwire_publish_seconds_count", step="after_commit") == published + 10

    killed = processes_of(tmp_path)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)  # uvicorn starts others

    async def they_are_shown_no_more() -> bool:
        try:
            return await figures.read("runwire_sockets") == 0
        except OSError:
            return False  # asked a process that was being killed

    await until_in_loop(they_are_shown_no_more)
    assert not killed & processes_of(tmp_path)
    assert await figures.read("runwire_publish_seconds_count", step="after_commit") == published + 10
    await door.leave()
