"""`manage.py serve`: the server and the embedded runner in one process, as real processes."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError
from pytest_django import Settings

from executions.models import GraphExecution
from executions.samples import make_text_insight
from executions.services import start_execution
from realtime.management.commands.serve import check_address_is_free, welcome_text
from tests.servers import WebServer
from tests.servers.process import ROOT, free_port

StartWebServer = Callable[..., WebServer]

TEXT = "The whale sank the ship. Sailors told stories about the whale. The harbour was quiet for a long time."


def start(user: User) -> GraphExecution:
    graph, _ = make_text_insight(user)
    return start_execution(graph, user=user, inputs={"text": TEXT}, runner="embedded")


def have_ended(*executions: GraphExecution) -> bool:
    rows = GraphExecution.objects.filter(pk__in=[execution.pk for execution in executions])
    return rows.filter(status__in=["COMPLETED", "FAILED"]).count() == len(executions)


def test_it_runs_a_queued_execution_and_stops_cleanly(user: User, web_server: StartWebServer) -> None:
    server = web_server(program="serve")
    server.wait_for_output(f"Runwire is at http://127.0.0.1:{server.port}/")
    execution = start(user)

    server.wait_until(lambda: have_ended(execution))

    execution.refresh_from_db()
    assert execution.status == "COMPLETED"
    assert server.terminate() == 0
    assert server.output.endswith("Stopped.\n")
    assert "Traceback" not in server.output


def test_two_servers_on_one_database_run_each_execution_once(user: User, web_server: StartWebServer) -> None:
    queued = [start(user) for _ in range(6)]
    first, second = web_server(program="serve"), web_server(program="serve")
    queued += [start(user) for _ in range(6)]

    first.wait_until(lambda: have_ended(*queued))

    for execution in queued:
        execution.refresh_from_db()
        assert (execution.status, execution.attempt, execution.node_executions.count()) == ("COMPLETED", 1, 6)
    assert [first.terminate(), second.terminate()] == [0, 0]


def test_ctrl_c_stops_it_cleanly(web_server: StartWebServer) -> None:
    server = web_server(program="serve")

    assert server._end(signal.SIGINT) == 0
    assert server.output.endswith("Stopped.\n")


def test_ctrl_c_during_an_exec_stops_it_cleanly() -> None:
    program = """
import django
django.setup()
from django.core.management import call_command
from realtime.server import server
server.serve = lambda *arguments, **options: exec("raise KeyboardInterrupt")
call_command("serve", port=PORT)
""".replace("PORT", str(free_port()))
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_URL": "sqlite://:memory:"}
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True)

    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "Stopped."), ended.stderr


def test_a_port_in_use_gives_a_clear_message() -> None:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(CommandError) as refused:
            check_address_is_free("127.0.0.1", port)

    assert str(refused.value) == f"Port {port} is in use by another program: PORT={port + 1} make run"
    check_address_is_free("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "port", "message"),
    [
        ("127.0.0.1", 99_999, "99999 is not a port: it must be from 1 to 65535."),
        ("127.0.0.1", -1, "-1 is not a port: it must be from 1 to 65535."),
        ("192.0.2.1", 8_000, "Cannot listen on 192.0.2.1, port 8000: Cannot assign requested address."),
        ("not a host", 8_000, "There is no address not a host on this machine."),
    ],
)
def test_an_invalid_address_gives_a_clear_message(host: str, port: int, message: str) -> None:
    with pytest.raises(CommandError) as refused:
        check_address_is_free(host, port)

    assert str(refused.value) == message


@pytest.mark.django_db
def test_it_prints_the_url_and_the_demo_accounts(settings: Settings) -> None:
    settings.DEBUG = True
    User.objects.create_user("ada")

    assert welcome_text("0.0.0.0", 8000) == (
        "Runwire is at http://127.0.0.1:8000/  (stop it with Ctrl-C)\nLog in as ada / ada."
    )
    assert welcome_text("::1", 8001).startswith("Runwire is at http://[::1]:8001/")


@pytest.mark.django_db
def test_without_debug_no_account_is_printed(settings: Settings) -> None:
    settings.DEBUG = False
    User.objects.create_user("ada")

    assert "ada" not in welcome_text("127.0.0.1", 8000)
