"""What is left in memory of connections that have ended. The objects are counted before any garbage collection."""

import json
import socket
import struct
from collections.abc import Callable

import pytest

from tests.realtime.raw_client import CLOSE, RawClient, frame
from tests.realtime.server_process import ServerProcess
from tests.waiting import until

pytestmark = pytest.mark.once

CONNECTIONS = 150
MAX_LEFT = 60  # objects of each class: some connections end late, and Twisted keeps up to 50 cancelled timers


def refused(server: ServerProcess) -> None:
    RawClient(server.port, "/refuse").leave()


def closed_by_the_client(server: ServerProcess) -> None:
    with RawClient(server.port, "/echo/left") as wire:
        wire.send(frame(b"hey"))
        wire.receive()
        wire.send(frame(b"\x03\xe8", CLOSE))
        wire.rest(answers=False)


def closed_by_the_server(server: ServerProcess) -> None:
    with RawClient(server.port, "/close/4001") as wire:
        assert wire.close_code() == 4001


def aborted(server: ServerProcess) -> None:
    with RawClient(server.port, "/echo/aborted") as wire:
        wire.send(frame(b"hey"))
        wire.receive()
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def failed(server: ServerProcess) -> None:
    RawClient(server.port, "/accept-and-fail").leave()


def a_page(server: ServerProcess) -> None:
    server.get("/hello")


def a_body_that_nobody_reads(server: ServerProcess) -> None:
    body = b"x" * 50_000
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        head = b"POST /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.sendall(head + body)
        assert connection.recv(1_000).startswith(b"HTTP/1.1 200")


def half_a_request(server: ServerProcess) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: ")


WAYS = [
    *(refused, closed_by_the_client, closed_by_the_server, aborted, failed),
    *(a_page, a_body_that_nobody_reads, half_a_request),
]


@pytest.mark.parametrize("connect_and_end", WAYS)
def test_nothing_of_an_ended_connection_waits_for_the_garbage_collector(
    connect_and_end: Callable[[ServerProcess], None], server: ServerProcess
) -> None:
    def count() -> dict[str, int]:
        counts: dict[str, int] = json.loads(server.get("/objects"))
        return counts

    def left() -> dict[str, int]:
        return {name: number for name, number in count().items() if number - before.get(name, 0) > MAX_LEFT}

    connect_and_end(server)
    before = count()
    for _ in range(CONNECTIONS):
        connect_and_end(server)
    until(lambda: not left(), left)
