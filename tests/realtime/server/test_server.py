"""Serving from another program, and plain HTTP beside the sockets."""

import signal
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.realtime.asgi_apps import MEGABYTE
from tests.realtime.raw_client import TEXT, Frame, RawClient, frame
from tests.realtime.server_process import PATIENCE, ServerProcess
from tests.servers.process import free_port

pytestmark = pytest.mark.once


def test_an_untested_version_of_a_package_is_logged_at_the_start(tmp_path: Path, server: ServerProcess) -> None:
    metadata = tmp_path / "twisted-99.1.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: twisted\nVersion: 99.1\n")
    with ServerProcess(environment={"PYTHONPATH": str(tmp_path)}) as untested:
        assert "twisted 99.1 is installed" in untested.output
    assert "is installed" not in server.output


class TestServingFromAnotherProgram:
    PROGRAM = """
import os
import django
django.setup()
from realtime.server.server import CannotListen, serve
from tests.realtime.asgi_apps import application
host, port = "127.0.0.1", int(os.environ["TEST_PORT"])
try:
    serve(application, host, port, on_ready=lambda: print("ready: Listening on TCP address", f"{host}:{port}"))
except CannotListen as refusal:
    print("refused:", refusal)
else:
    print("returned")
"""

    # A signal that comes at a moment of the start
    SIGNALLED = """
import os, signal
from OWNER import NAME as owner
original = owner.FUNCTION
def call_and_signal(*arguments, **options):
    result = original(*arguments, **options)
    os.kill(os.getpid(), signal.SIGNAL)
    return result
owner.FUNCTION = call_and_signal
"""

    def program(self, port: int, before: str = "") -> ServerProcess:
        return ServerProcess(command=("-c", before + self.PROGRAM), environment={"TEST_PORT": str(port)})

    @pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
    def test_serve_returns_after_a_signal(self, sign: signal.Signals) -> None:
        port = free_port()
        with self.program(port) as server, RawClient(server.port, "/echo/-") as wire:
            wire.send(frame(b"here"))
            assert wire.receive() == Frame(TEXT, b"here")
            assert server.stop(sign) == 0
        assert server.output.splitlines() == [f"ready: Listening on TCP address 127.0.0.1:{port}", "returned"]

    def test_a_busy_port_raises_cannot_listen(self, server: ServerProcess) -> None:
        busy = f"refused: Port {server.port} on 127.0.0.1 is in use."
        with pytest.raises(AssertionError, match=busy), self.program(server.port):
            pass

    @pytest.mark.parametrize("sign", ["SIGINT", "SIGTERM"])
    @pytest.mark.parametrize(
        ("owner", "name", "function"),
        [
            ("twisted.internet.tcp", "Port", "startListening"),
            ("realtime", "asgi_extension", "start_background"),
            ("twisted.internet.base", "ReactorBase", "_reallyStartRunning"),
        ],
    )
    def test_a_signal_during_the_start_is_not_lost(self, owner: str, name: str, function: str, sign: str) -> None:
        before = self.SIGNALLED.replace("SIGNAL", sign).replace("OWNER", owner).replace("NAME", name)
        with self.program(free_port(), before=before.replace("FUNCTION", function)) as server:
            assert server.stop(None) == 0
        assert server.output.splitlines()[-1] == "returned"


class TestHTTP:
    def test_http_is_served_beside_the_sockets(self, server: ServerProcess) -> None:
        assert server.get("/") == "hello"

    def test_the_message_limit_does_not_apply_to_request_bodies(self, server: ServerProcess) -> None:
        body = MEGABYTE.encode() * 3
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/length", data=body, timeout=PATIENCE) as response:
            assert response.read() == str(len(body)).encode()

    def test_an_exception_of_the_application_gives_500(self, server: ServerProcess) -> None:
        with pytest.raises(HTTPError) as raised:
            server.get("/raise")
        with raised.value as answer:
            assert answer.code == 500
