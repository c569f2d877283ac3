"""Whom the server looks at, and when."""

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
    """An open one that is silent. Says when it was looked at."""

    def __init__(self, server: PeriodicChecksServer) -> None:
        self.server = server
        self.state = self.STATE_OPEN
        self.autoPingPending = None
        self.last_ping = self.socket_opened = OPENED
        self.looks: list[float] = []
        self.client_addr, self.path = ["192.0.2.1", 1], "/ws"

    def check_timeouts(self) -> None:
        self.looks.append(periodic_checks.time.time() - OPENED)


class Connections(dict[Any, dict[str, Any]]):
    """Daphne's, which count how often somebody went through all of them."""

    walks = 0

    def items(self) -> Any:
        self.walks += 1
        return super().items()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(periodic_checks, "reactor", clock)
    monkeypatch.setattr(daphne.server, "reactor", clock)
    times = SimpleNamespace(time=lambda: OPENED + clock.seconds(), time_ns=lambda: 0)
    monkeypatch.setattr(periodic_checks, "time", times)
    return clock


@pytest.fixture
def server() -> PeriodicChecksServer:
    server = PeriodicChecksServer(None, endpoints=["tcp:0"], ping_interval=25, websocket_timeout=-1)
    server.connections = Connections()
    return server


def looks(server: PeriodicChecksServer, socket: Socket, clock: Clock, seconds: int) -> list[float]:
    server.protocol_connected(socket)
    clock.callLater(2, server.timeout_checker)
    clock.pump([1.0] * seconds)
    return socket.looks


def test_a_silent_socket_is_looked_at_when_its_next_ping_is_due(server: PeriodicChecksServer, clock: Clock) -> None:
    assert looks(server, Socket(server), clock, 30) == [2.0, 26.0, 28.0, 30.0]  # it has not sent one, and has to


def test_one_whose_answer_is_held_up_is_looked_at_in_every_round(server: PeriodicChecksServer, clock: Clock) -> None:
    socket = Socket(server)
    socket.autoPingPending = b"ping"
    assert looks(server, socket, clock, 8) == [2.0, 4.0, 6.0, 8.0]
    socket.autoPingPending = None
    clock.pump([1.0] * 10)
    assert socket.looks[4:] == [10.0]


def test_one_that_is_to_answer_is_looked_at_when_it_should_have(server: PeriodicChecksServer, clock: Clock) -> None:
    socket = Socket(server)
    socket.autoPingPending, socket._pong_due = b"ping", OPENED + 7
    assert looks(server, socket, clock, 11) == [2.0, 8.0, 10.0]


def test_one_that_was_sent_a_ping_is_looked_at_when_the_next_one_or_the_answer_is_due(
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


def test_one_that_is_not_open_is_looked_at_in_every_round(server: PeriodicChecksServer, clock: Clock) -> None:
    socket = Socket(server)
    socket.state = socket.STATE_CONNECTING
    assert looks(server, socket, clock, 6) == [2.0, 4.0, 6.0]


def test_a_lifetime_that_ends_before_the_next_ping_is_seen(server: PeriodicChecksServer, clock: Clock) -> None:
    server.websocket_timeout = 11
    assert looks(server, Socket(server), clock, 13) == [2.0, 12.0]


class Page:
    """A request, as Daphne keeps it."""

    def __init__(self) -> None:
        self.looks = 0

    def check_timeouts(self) -> None:
        self.looks += 1


def test_pages_are_looked_at_in_every_round(server: PeriodicChecksServer, clock: Clock) -> None:
    page = Page()
    server.protocol_connected(page)
    clock.callLater(2, server.timeout_checker)
    clock.pump([1.0] * 6)
    assert page.looks == 3


def test_one_that_has_gone_is_not_looked_at_and_not_kept(server: PeriodicChecksServer, clock: Clock) -> None:
    socket, other = Socket(server), Socket(server)
    server.protocol_connected(other)
    assert looks(server, socket, clock, 3) == other.looks == [2.0]
    gone = ref(socket)
    del server.connections[socket], socket
    gc.collect()
    assert gone() is None
    clock.pump([1.0] * 24)
    assert other.looks == [2.0, 26.0]


async def test_nobody_is_gone_through_while_no_application_ends(server: PeriodicChecksServer, clock: Clock) -> None:
    for _ in range(3):
        open_socket(server, asyncio.Event().wait())
    server.application_checker()
    clock.pump([1.0] * 5)
    assert server.connections.walks == 0


async def test_what_an_application_raises_is_logged_in_the_next_round(
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
    walks = server.connections.walks
    clock.advance(1)
    assert server.connections.walks == walks
    server.protocol_disconnected(socket)
    clock.advance(1)
    assert socket not in server.connections


async def test_an_application_that_goes_on_after_its_connection_is_ended_in_time(
    server: PeriodicChecksServer, clock: Clock
) -> None:
    server.application_close_timeout = -1  # its time has passed when the connection goes
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
    assert server.connections.walks == 2


def open_socket(server: PeriodicChecksServer, application: Any) -> Any:
    socket = Socket(server)
    server.protocol_connected(socket)
    server.connections[socket]["application_instance"] = asyncio.ensure_future(application)
    server.watch_application(socket)
    return socket
