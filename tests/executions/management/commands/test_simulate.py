"""`manage.py simulate`, as a process of its own and in this one."""

import os
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from executions.api.worker_tokens import create_token
from executions.management.commands import simulate as simulate_module
from executions.models import Graph, GraphExecution, NodeExecution
from executions.simulation import fixtures
from tests.conftest import StartWebServer, address_of_test_database
from tests.servers.process import free_port

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[4]
QUICK = ("--rate=0", "--node-seconds=0", "--threads=2")


def simulate(*words: str) -> str:
    output = StringIO()
    call_command("simulate", *words, stdout=output)
    return output.getvalue()


def test_the_given_number_of_runs_and_accounts_is_made() -> None:
    output = simulate(*QUICK, "--runs=4", "--users=2", "--graph=chain", "--nodes=3", "--failures=0", "--payload=10")

    assert "4 started, 4 completed, 0 failed, 0 left; 32 reports" in output
    assert set(User.objects.values_list("username", flat=True)) == {"simulated-1", "simulated-2"}
    assert [graph.executions.count() for graph in Graph.objects.all()] == [2, 2]
    assert {graph.name for graph in Graph.objects.all()} == {"Simulated chain of 3"}


def test_runs_can_be_made_for_an_existing_account(user: User) -> None:
    simulate(*QUICK, "--runs=1", "--user=user", "--nodes=1")

    assert GraphExecution.objects.get().user == user
    assert simulate("--cleanup") == "Taken away: 1 executions, 1 graphs, 0 accounts.\n"
    assert list(User.objects.all()) == [user]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--user=nobody"], "There is no account nobody."),
        (["--failures=1.5"], "argument --failures: it is 1.5, and must be from 0 to 1"),
        (["--rate=-1"], "argument --rate: it is -1, and must be from 0 to 10000"),
        (["--rate=nan"], "argument --rate: it is nan"),
        (["--nodes=0"], "argument --nodes: it is 0"),
        (["--payload=500001"], "argument --payload"),
        (["--graph=ring"], "argument --graph"),
    ],
)
def test_invalid_options_are_refused_and_nothing_is_made(words: list[str], message: str) -> None:
    with pytest.raises(CommandError) as caught:
        simulate(*words)

    assert message in str(caught.value)
    assert not Graph.objects.exists()


def test_an_account_of_another_origin_is_not_used() -> None:
    User.objects.create_user("simulated-1", password="mine")

    with pytest.raises(CommandError, match="There is an account simulated-1 that no simulation has made"):
        simulate("--runs=1")


def test_a_deleted_graph_is_an_error(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def make_graph(*args: Any) -> Graph:
        graph = fixtures.make_graph(*args)
        Graph.objects.all().delete()
        return graph

    monkeypatch.setattr(simulate_module, "make_graph", make_graph)

    with pytest.raises(CommandError, match="Somebody has deleted the graph meanwhile"):
        simulate("--runs=1")


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_cleanly(user: User, graph: Graph, signal_number: signal.Signals) -> None:
    """Executions of others are not changed."""
    other = GraphExecution.objects.create(graph=graph, user=user, status="RUNNING")
    words = [sys.executable, "manage.py", "simulate", "--rate=0", "--at-once=3", "--node-seconds=1000", "--threads=2"]
    environment = {**os.environ, "DATABASE_URL": address_of_test_database(), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            lines = iter(process.stdout.readline, "")
            assert any("3 started" in line for line in lines)
            process.send_signal(signal_number)
            rest = "".join(lines)
            assert process.wait(30) == 0
        finally:
            process.kill()

    assert "Stopping: what is unfinished is terminated." in rest
    assert "3 started, 0 completed, 0 failed, 3 left" in rest
    runs = GraphExecution.objects.exclude(pk=other.pk)
    assert [run.status for run in runs] == ["TERMINATED"] * 3
    other.refresh_from_db()
    assert other.status == "RUNNING"


# Through the HTTP API


def test_runs_can_go_through_the_http_api(web_server: StartWebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server = web_server()
    monkeypatch.setenv("RUNWIRE_TOKEN", create_token("press")[1])
    plan = ("--runs=4", "--graph=chain", "--nodes=3", "--failures=0", "--payload=10")

    output = simulate(*QUICK, *plan, "--through=http", f"--url={server.url}")

    assert "4 started, 4 completed, 0 failed, 0 left; 32 reports" in output
    runs = GraphExecution.objects.all()
    assert {(run.status, run.runner, run.user.username) for run in runs} == {
        ("COMPLETED", "worker:press", "simulated-1")
    }
    assert {len(run.outputs["result"][0]) for run in runs} == {10}
    assert NodeExecution.objects.filter(status="COMPLETED").count() == 12
    assert simulate("--cleanup") == "Taken away: 4 executions, 1 graphs, 1 accounts.\n"


def test_a_server_that_goes_away_is_an_error(web_server: StartWebServer) -> None:
    server = web_server()
    _, token = create_token("press")
    environment = {**os.environ, "DATABASE_URL": address_of_test_database(), "PYTHONUNBUFFERED": "1"}
    words = [sys.executable, "manage.py", "simulate", "--rate=20", "--through=http", "--node-seconds=0.2"]
    with subprocess.Popen(
        [*words, f"--url={server.url}"],
        cwd=ROOT,
        env={**environment, "RUNWIRE_TOKEN": token},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        try:
            assert " started" in process.stdout.readline()
            server.kill()
            rest = process.stdout.read()
            assert process.wait(60) == 1
        finally:
            process.kill()

    assert f"There is no answer from {server.url}" in rest
    assert (
        "Start the server (`manage.py serve`), or give its address. Runs that were under way stay as they were" in rest
    )
    assert "Traceback" not in rest


def test_a_server_with_another_database_is_an_error(
    web_server: StartWebServer, monkeypatch: pytest.MonkeyPatch, user: User
) -> None:
    server = web_server()

    def make_graph(*args: Any) -> Graph:
        graph = fixtures.make_graph(*args)
        Graph.objects.all().delete()
        return graph

    monkeypatch.setattr(simulate_module, "make_graph", make_graph)

    with pytest.raises(CommandError, match="Give this command the DATABASE_URL of the server"):
        simulate("--runs=1", "--through=http", f"--url={server.url}", f"--token={create_token('press')[1]}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--through=http"], "There is no token. Make one with `manage.py tokens create simulation`"),
        (["--through=http", "--token=x", "--url=example.com"], "example.com is no address of a server"),
        (["--through=http", "--token=x y"], "Was it copied whole?"),
        (["--through=http", "--token=x", f"--url=http://127.0.0.1:{free_port()}"], "There is no answer from"),
        (["--url=http://127.0.0.1:8000"], "--url goes with --through http"),
        (["--token=x"], "--token goes with --through http"),
    ],
)
def test_nothing_is_made_without_a_usable_server(
    words: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNWIRE_TOKEN", raising=False)

    with pytest.raises(CommandError) as caught:
        simulate("--runs=1", *words)

    assert message in str(caught.value)
    assert not User.objects.exists()
