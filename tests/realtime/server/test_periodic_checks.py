"""Which connections the server checks, and when."""

import asyncio
import gc
import logging
from types import SimpleNamespace
from typing import Any
from weakref import ref

import daphne.server
import pytest
from twisted.internet.task import Clock

from realtime.server import keepalive, periodic_checks
from realtime.server.keepalive import KeepaliveProtocol
from realtime.server.periodic_checks import PeriodicChecksServer

OPENED = 1_000.0  # on the clock of these tests, in seconds


class Socket(KeepaliveProtocol):
    """An open, silent socket. `checks` has the seconds at which it was checked."""

    def __init__(self, server: PeriodicChecksServer) -> None:
        self.server = server
        self.state = self.STATE_OPEN
        self.autoPingPending = None
        self.last_ping = self.socket_opened = OPENED
        self.checks: list[float] = []
        self.client_addr, self.path = ["192.0.2.1", 1], "/ws"

    def check_timeouts(self) -> None:
        self.checks.append(periodic_checks.time.monotonic() - OPENED)


class Connections(dict[Any, dict[str, Any]]):
    """Daphne's connections. `iterations` counts how often all of them were visited."""

    iterations = 0

    def items(self) -> Any:
        self.iterations += 1
        return super().items()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(periodic_checks, "reactor", clock)
    monkeypatch.setattr(daphne.server, "reactor", clock)
    times = SimpleNamespace(monotonic=lambda: OPENED + clock.seconds(), monotonic_ns=lambda: 0)
    monkeypatch.setattr(periodic_checks, "time", times)
    return clock


@pytest.fixture
def server() -> PeriodicChecksServer:
    server = PeriodicChecksServer(None, endpoints=["tcp:0"], ping_interval=25, websocket_timeout=-1)
    server.connections = Connections()
    return server


def checks_of(server: PeriodicChecksServer, socket: Socket, clock: Clock, seconds: int) -> list[float]:
    server.protocol_connected(socket)
    clock.callLater(2, server.timeout_checker)
    clock.pump([1.0] * seconds)
    return socket.checks


def test_a_silent_socket_is_checked_when_its_next_ping_is_due(server: PeriodicChecksServer, clock: Clock) -> None:
    assert checks_of(server, Socket(server), clock, 30) == [
        2.0,
        26.0,
        28.0,
        30.0,
    ]  # its ping stays due, since this socket sends none


def test_a_socket_whose_pong_is_delayed_is_checked_every_time(server: PeriodicChecksServer, clock: Clock) -> None:
    socket = Socket(server)
    socket.autoPingPending = b"ping"
    assert checks_of(server, socket, clock, 8) == [2.0, 4.0, 6.0, 8.0]
    socket.autoPingPending = None
    clock.pump([1.0] * 10)
    assert socket.checks[4:] == [10.0]


def test_a_socket_is_checked_when_its_pong_is_due(server: PeriodicChecksServer, clock: Clock) -> None:
    socket = Socket(server)
    socket.autoPingPending, socket._pong_due = b"ping", OPENED + 7
    assert checks_of(server, socket, clock, 11) == [2.0, 8.0, 10.0]


def test_after_a_ping_a_socket_is_checked_when_the_next_ping_or_the_pong_is_due(
    server: PeriodicChecksServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keepalive, "time", periodic_checks.time)
    socket = Socket(server)
    socket.autoPingPendingSeq, socket.autoPingTimeout = 0, 30.0
    pings: list[bytes] = []
    monkeypatch.setattr(socket, "send_control_frame", pings.append)
    socket._sendAutoPing()
    assert len(pings) == 1
    assert socket.next_check == OPENED + 25
    socket.last_ping += 25
    assert socket.next_check == OPENED + 30


def test_a_socket_that_is_not_open_is_checked_every_time(server: PeriodicChecksServer, clock: Clock) -> None:
    socket = Socket(server)
    socket.state = socket.STATE_CONNECTING
    assert checks_of(server, socket, clock, 6) == [2.0, 4.0, 6.0]


def test_a_socket_is_checked_when_its_lifetime_ends_before_the_next_ping(
    server: PeriodicChecksServer, clock: Clock
) -> None:
    server.websocket_timeout = 11
    assert checks_of(server, Socket(server), clock, 13) == [2.0, 12.0]


class Request:
    """An HTTP request in Daphne's connections."""

    def __init__(self) -> None:
        self.checks = 0

    def check_timeouts(self) -> None:
        self.checks += 1


def test_a_request_is_checked_every_time(server: PeriodicChecksServer, clock: Clock) -> None:
    request = Request()
    server.protocol_connected(request)
    clock.callLater(2, server.timeout_checker)
    clock.pump([1.0] * 6)
    assert request.checks == 3


def test_a_connection_that_is_gone_is_not_checked_and_not_kept_in_memory(
    server: PeriodicChecksServer, clock: Clock
) -> None:
    socket, other = Socket(server), Socket(server)
    server.protocol_connected(other)
    assert checks_of(server, socket, clock, 3) == other.checks == [2.0]
    gone = ref(socket)
    del server.connections[socket], socket
    gc.collect()
    assert gone() is None
    clock.pump([1.0] * 24)
    assert other.checks == [2.0, 26.0]


async def test_the_connections_are_not_visited_while_no_application_ends(
    server: PeriodicChecksServer, clock: Clock
) -> None:
    for _ in range(3):
        open_socket(server, asyncio.Event().wait())
    server.application_checker()
    clock.pump([1.0] * 5)
    assert server.connections.iterations == 0


async def test_an_exception_of_an_application_is_logged_at_the_next_check(
    server: PeriodicChecksServer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise ConnectionError("it has failed")

    socket = open_socket(server, fail())
    socket.handle_exception = lambda error: None
    server.application_checker()
    await asyncio.wait({server.connections[socket]["application_instance"]})
    clock.advance(1)
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        "Exception inside application: it has failed"
    ]
    assert "application_instance" not in server.connections[socket]
    iterations = server.connections.iterations
    clock.advance(1)
    assert server.connections.iterations == iterations
    server.protocol_disconnected(socket)
    clock.advance(1)
    assert socket not in server.connections


async def test_an_application_that_outlives_its_connection_is_cancelled_after_its_timeout(
    server: PeriodicChecksServer, clock: Clock
) -> None:
    server.application_close_timeout = -1  # the timeout is over as soon as the connection is gone
    socket = open_socket(server, asyncio.Event().wait())
    application = server.connections[socket]["application_instance"]
    server.application_checker()
    server.protocol_disconnected(socket)
    clock.advance(1)
    await asyncio.wait({application})
    assert application.cancelled()
    clock.advance(1)
    assert socket not in server.connections
    clock.pump([1.0] * 2)
    assert server.connections.iterations == 2


def open_socket(server: PeriodicChecksServer, application: Any) -> Any:
    socket = Socket(server)
    server.protocol_connected(socket)
    server.connections[socket]["application_instance"] = asyncio.ensure_future(application)
    server.watch_application(socket)
    return socket
