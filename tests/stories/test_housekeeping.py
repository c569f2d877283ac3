"""Real server processes tidy up one database by themselves: each job runs once, and a dead process is replaced."""

import json
import os
import signal
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser
from django.utils import timezone

from executions.models import Graph, GraphExecution
from executions.services import report_execution, start_execution
from realtime import streams
from realtime.housekeeping.jobs import all_jobs
from realtime.models import HousekeepingJob, Stream, StreamEvent
from realtime.publish import publish
from tests.conftest import StartWebServer
from tests.database import in_db
from tests.stories.doors import LiveServer, ServerDoor, Servers
from tests.waiting import until, until_in_loop

pytestmark = pytest.mark.django_db(transaction=True)


def settings(**limits: Any) -> dict[str, str]:
    """An environment with these limits."""
    limits = {"HOUSEKEEPING_POLL": 0.05, "HOUSEKEEPING_SHARE": 1.0, **limits}
    return {"DJANGO_SETTINGS_MODULE": "tests.stories.settings", "TEST_REALTIME": json.dumps(limits)}


def make_old_streams(number: int, *, events: int = 3) -> None:
    """Streams of graphs: all their events but one go."""
    for each in range(number):
        for _ in range(events):
            publish(f"u1|graph#g{each}|executions", "changed", "entity", {})
    StreamEvent.objects.update(created_at=timezone.now() - timedelta(days=31))


def old_events() -> HousekeepingJob | None:
    return HousekeepingJob.objects.filter(name="old_events").first()


def all_have_run() -> bool:
    return HousekeepingJob.objects.filter(ended_at__isnull=False).count() == len(all_jobs())


@pytest.mark.parametrize("program", ["runwire", "serve"])
def test_a_server_without_any_socket_removes_what_is_old_and_keeps_what_runs(
    web_server: StartWebServer, user: User, program: str
) -> None:
    graph = Graph.objects.create(owner=user, name="A graph")
    executions: dict[str, GraphExecution] = {}
    for status in ("RUNNING", "COMPLETED"):
        executions[status] = start_execution(graph, user=user, runner="another engine")
        report_execution(executions[status], status="RUNNING")
        if status != "RUNNING":
            report_execution(executions[status], status=status)
    StreamEvent.objects.update(created_at=timezone.now() - timedelta(days=365))

    server = web_server(settings(), program=program)
    until(all_have_run)
    floors = {
        status: Stream.objects.get(key=streams.graph_exec(str(user.pk), str(execution.pk))).floor
        for status, execution in executions.items()
    }
    assert floors["RUNNING"] == 0 < floors["COMPLETED"]
    assert server.terminate() == 0
    assert "Traceback" not in server.output


@pytest.mark.parametrize("program", ["daphne", "uvicorn"])
async def test_another_server_begins_with_its_first_socket(user: User, program: str) -> None:
    Servers.need_a_client()
    await in_db(make_old_streams)(1)
    with LiveServer(program, limits={"HOUSEKEEPING": "server", "HOUSEKEEPING_POLL": 0.05}) as server:
        door = ServerDoor(server)
        await door.client(user)
        await until_in_loop(in_db(all_have_run))
        row = await in_db(old_events)()
        assert row
        assert row.did == {"graph": 2}
        await door.leave()
        assert "Traceback" not in server.output


def test_of_two_servers_one_runs_each_job(web_server: StartWebServer) -> None:
    make_old_streams(20)
    servers = [web_server(settings()) for _ in range(2)]
    until(all_have_run)
    for server in servers:
        assert server.terminate() == 0
    said = [line for server in servers for line in server.output.splitlines() if "Housekeeping: old_events" in line]
    assert len(said) == 1
    assert "graph 40" in said[0]
    row = old_events()
    assert row
    assert (row.total, row.holder, row.error) == (40, "", "")


def test_after_a_server_is_killed_in_the_middle_another_one_goes_on(web_server: StartWebServer) -> None:
    make_old_streams(8)
    # It pauses after each stream, for a third of the lease.
    slow = settings(HOUSEKEEPING_SHARE=1e-6, HOUSEKEEPING_LEASE=3.0)
    for _ in range(2):
        web_server(slow)
    until(lambda: bool((row := old_events()) and row.holder and StreamEvent.objects.count() <= 20))
    row = old_events()
    assert row
    holder = row.holder
    os.kill(int(holder.split(":")[1]), signal.SIGKILL)
    until(lambda: bool((row := old_events()) and row.holder not in ("", holder)), patience=60)
    until(lambda: bool((row := old_events()) and row.ended_at and not row.holder), patience=60)
    assert set(Stream.objects.values_list("head", "floor")) == {(3, 3)}
    assert StreamEvent.objects.count() == 8


def test_the_status_page_and_the_admin_show_who_did_what(web_server: StartWebServer) -> None:
    make_old_streams(2)
    web_server(settings())
    until(all_have_run)
    browser = Browser()
    browser.force_login(User.objects.create_superuser("boss"))
    jobs = {each["job"]: each for each in browser.get("/realtime/status").json()["housekeeping"]["jobs"]}
    assert jobs["old_events"]["did"] == {"graph": 4}
    assert "graph 4" in browser.get("/admin/realtime/housekeepingjob/").content.decode()
