"""A server process whose wall clock is set while sockets are open."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.realtime.raw_client import PING, PONG, RawClient, frame
from tests.realtime.server_process import ROOT, ServerProcess

pytestmark = pytest.mark.once

DAY = 86_400
SHIFTED_CLOCK = ROOT / "tests/realtime/shifted_clock"

StartServer = Callable[..., ServerProcess]


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """The file with the shift of the server's clock, in seconds."""
    clock = tmp_path / "shift"
    clock.write_text("0")
    return clock


@pytest.fixture
def server(clock: Path) -> Iterator[StartServer]:
    path = os.pathsep.join([str(SHIFTED_CLOCK), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {"PYTHONPATH": path, "TEST_CLOCK_SHIFT": str(clock)}
    with ExitStack() as started:
        yield lambda *options: started.enter_context(ServerProcess(*options, environment=environment))
        clock.write_text("0")


def answer_pings(wire: RawClient, number: int) -> None:
    for _ in range(number):
        ping = wire.receive()
        assert ping is not None
        assert ping.opcode == PING
        wire.send(frame(ping.payload, PONG))


@pytest.mark.parametrize("shift", [-DAY, DAY])
def test_pings_go_on_when_the_clock_is_set(shift: int, clock: Path, server: StartServer) -> None:
    process = server("--ping-interval", "1", "--ping-timeout", "1")
    with RawClient(process.port, "/echo/alive") as wire, RawClient(process.port, "/echo/silent"):
        answer_pings(wire, 1)
        clock.write_text(str(shift))
        answer_pings(wire, 3)
        assert process.get("/board/silent") == "1006"  # the timeout of a ping holds
        wire.send(frame(b"hey"))
        while (received := wire.receive()) and received.opcode == PING:
            wire.send(frame(received.payload, PONG))
        assert received is not None
        assert received.payload == b"hey"


@pytest.mark.parametrize("shift", [-DAY, DAY])
def test_deadlines_hold_when_the_clock_is_set(shift: int, clock: Path, server: StartServer) -> None:
    """A socket with an hour to live outlasts a handshake with a deadline of seconds."""
    process = server(
        *("--ping-interval", "3000", "--ping-timeout", "2000", "--websocket_timeout", "3600"),
        *("--websocket_connect_timeout", "3", "--http-timeout", "600"),
    )
    with RawClient(process.port, "/echo/open") as wire:
        clock.write_text(str(shift))
        with RawClient(process.port, "/handshake") as unanswered:
            assert unanswered.status in (403, None)  # Daphne's deadline answers, autobahn's cuts
        wire.send(frame(b"hey"))
        received = wire.receive()
        assert received is not None
        assert received.payload == b"hey"


def test_an_application_that_outlives_its_connection_is_cancelled_when_the_clock_is_set_back(
    clock: Path, server: StartServer
) -> None:
    process = server()
    with RawClient(process.port, "/never"):
        clock.write_text(str(-DAY))
    process.wait_for("took too long to shut down and was killed")
