"""The command line of the server."""

import json
import subprocess
import sys
import urllib.request
from typing import Any

import pytest
from daphne.cli import CommandLineInterface

from realtime.conf import DEFAULTS as LIMITS
from realtime.server import server as server_module
from realtime.server.cli import CLI
from realtime.server.server import LiveServer
from tests.realtime.raw_client import RawClient
from tests.realtime.server_process import PATIENCE, ROOT, ServerProcess

pytestmark = pytest.mark.once


class TestCommandLine:
    def test_all_options_of_daphne_exist_and_only_the_documented_defaults_differ(self) -> None:
        def options(cli: CommandLineInterface) -> dict[str, Any]:
            return {action.dest: action.default for action in cli.parser._actions}

        own, of_daphne = options(CLI()), options(CommandLineInterface())
        assert own.keys() == of_daphne.keys()
        assert {name for name in own if own[name] != of_daphne[name]} == server_module.DEFAULTS.keys()

    def test_the_help_names_the_differences_from_daphne(self) -> None:
        help_text = CLI().parser.format_help()
        assert "python -m realtime.server" in help_text
        for option in (
            "--websocket_timeout is -1",
            "--ping-interval 25",
            "MAX_MESSAGE_BYTES",
            "STALL_TIMEOUT",
            "1009, 1007, 1002",
            "MAX_ADDRESS_CONNECTIONS",
        ):
            assert option in help_text

    def test_the_ping_timeout_is_below_the_ping_interval(self) -> None:
        defaults = server_module.DEFAULTS
        assert defaults["ping_timeout"] < defaults["ping_interval"]  # type: ignore[operator]

    def test_the_handshake_timeouts_are_above_the_timeout_of_the_login(self) -> None:
        server = LiveServer(application=None, endpoints=["tcp:0"])
        assert server.websocket_connect_timeout > LIMITS.AUTH_TIMEOUT
        assert server.websocket_handshake_timeout > LIMITS.AUTH_TIMEOUT

    def test_a_busy_port_gives_one_line_and_exit_code_1(self, server: ServerProcess) -> None:
        command = [sys.executable, "-m", "realtime.server", "tests.realtime.asgi_apps:application", "-v", "0"]
        finished = subprocess.run(
            [*command, "-p", str(server.port)],
            cwd=ROOT,
            env=server.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert finished.returncode == 1
        assert finished.stdout == ""
        assert finished.stderr.splitlines() == [
            f"Port {server.port} on 127.0.0.1 is in use. Choose another port with -p, or address with -b."
        ]

    def test_an_address_of_another_machine_gives_one_line_and_exit_code_1(self, server: ServerProcess) -> None:
        command = [sys.executable, "-m", "realtime.server", "tests.realtime.asgi_apps:application", "-v", "0"]
        finished = subprocess.run(
            [*command, "-b", "192.0.2.1", "-p", "0"],
            cwd=ROOT,
            env=server.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert finished.returncode == 1
        assert len(finished.stderr.splitlines()) == 1
        assert "192.0.2.1" in finished.stderr

    def test_the_options_for_root_path_and_server_name_work_as_in_daphne(self) -> None:
        with ServerProcess("--root-path", "/live", "--server-name", "runwire") as server:
            assert json.loads(server.get("/scope"))["root_path"] == "'/live'"
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/", timeout=PATIENCE) as response:
                assert response.headers["Server"] == "runwire"
            with RawClient(server.port, "/echo/-") as wire:
                assert "Server: runwire" in wire.head

    def test_the_logging_of_the_application_does_not_change_the_verbosity_of_the_server(self) -> None:
        with ServerProcess(environment={"TEST_ROOT_LEVEL": "ERROR"}):
            pass  # it has logged where it listens
