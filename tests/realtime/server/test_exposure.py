"""With DEBUG on, the server listens for this machine only."""

import subprocess
import sys

import pytest
from pytest_django import Settings

from realtime.server.exposure import DebugExposed, hosts_of, is_loopback, refuse_debug_on
from tests.servers.process import ROOT

pytestmark = pytest.mark.once


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "::1"])
def test_the_loopback_is_for_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "fe80::1", "nowhere.invalid", "\0"])
def test_other_addresses_are_not(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("endpoint", "hosts"),
    [
        ("tcp:port=8000:interface=127.0.0.1", ["127.0.0.1"]),
        (r"tcp:port=8000:interface=\:\:1", ["::1"]),
        (r"tcp6:port=8000:interface=\:\:", ["::"]),
        ("ssl:443:privateKey=key.pem:interface=0.0.0.0:backlog=5", ["0.0.0.0"]),
        ("tcp:8000", [""]),
        ("unix:/run/runwire.sock", []),
        ("fd:fileno=3", []),
    ],
)
def test_an_endpoint_names_its_host(endpoint: str, hosts: list[str]) -> None:
    assert hosts_of([endpoint]) == hosts


def test_debug_is_refused_where_other_machines_can_connect(settings: Settings) -> None:
    settings.DEBUG = True
    refuse_debug_on(["127.0.0.1", "::1"])
    with pytest.raises(DebugExposed, match=r"DEBUG is on, .* on 0\.0\.0\.0 and all addresses: .*DEBUG=false"):
        refuse_debug_on(["127.0.0.1", "0.0.0.0", ""])
    settings.DEBUG = False
    refuse_debug_on(["0.0.0.0", ""])


@pytest.mark.parametrize(
    "options", [["-b", "0.0.0.0", "-p", "0"], ["-e", "tcp:port=0"], ["-b", "127.0.0.1", "-e", "tcp:0"]]
)
def test_the_command_line_ends_with_one_line(options: list[str]) -> None:
    command = [sys.executable, "-m", "realtime.server", "config.asgi:application", *options]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)  # the tests' environment has DEBUG=true
    assert result.returncode == 1
    [line] = [line for line in result.stderr.splitlines() if "DEBUG" in line]
    assert line.startswith("DEBUG is on, so the server does not listen on ")
    assert "Traceback" not in result.stderr
