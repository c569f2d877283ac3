"""The short way out of a connection, on a real socket."""

import socket
from collections.abc import Iterator

import pytest

from realtime.server.direct_writer import DirectWriter

pytestmark = pytest.mark.once

PIECE = 400_000


class Connection:
    """One end with a direct writer, and what the other end reads."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.rest = b""
        self.otherwise: list[str | None] = []
        self.direct_writer = DirectWriter(
            self.ours,
            str.encode,
            max_piece_bytes=PIECE,
            send_slow_path=self._send_otherwise,
            write_rest=self._write_rest,
        )
        self.direct_writer.is_clear = True

    def _send_otherwise(self, text: str | None) -> bool:
        self.otherwise.append(text)
        return False

    def _write_rest(self, rest: bytes) -> None:
        self.rest += rest

    def read(self, most: int = 1_000_000) -> bytes:
        return self.theirs.recv(most, socket.MSG_DONTWAIT)


@pytest.fixture
def connection() -> Iterator[Connection]:
    connection = Connection()
    yield connection
    connection.ours.close()
    connection.theirs.close()


def test_a_text_goes_straight_to_the_system(connection: Connection) -> None:
    assert connection.direct_writer.send("hello")
    assert connection.read() == b"hello"
    assert (connection.direct_writer.bytes_written, connection.direct_writer.is_clear, connection.rest) == (
        5,
        True,
        b"",
    )
    assert not connection.otherwise


@pytest.mark.parametrize("text", [None, "", "x" * (PIECE // 4 + 1)])
def test_what_is_no_short_text_goes_the_long_way(connection: Connection, text: str | None) -> None:
    assert not connection.direct_writer.send(text)
    assert connection.otherwise == [text]
    assert connection.direct_writer.bytes_written == 0


def test_while_something_is_before_it_a_text_goes_the_long_way(connection: Connection) -> None:
    connection.direct_writer.is_clear = False
    assert not connection.direct_writer.send("hello")
    assert connection.otherwise == ["hello"]


def test_what_the_system_does_not_take_is_left_to_the_transport_in_order(connection: Connection) -> None:
    sent = 0
    while connection.direct_writer.is_clear:
        assert connection.direct_writer.send(f"{sent:08}" * 8_000)
        sent += 1
    assert sent > 1
    assert not connection.direct_writer.send("later"), "it would overtake the rest"
    received = b""
    while len(received) + len(connection.rest) < sent * 64_000:
        received += connection.read()
    assert received + connection.rest == b"".join(f"{number:08}".encode() * 8_000 for number in range(sent))
    assert connection.direct_writer.bytes_written == sent * 64_000


@pytest.mark.parametrize("end", ["ours", "theirs"])
def test_a_connection_that_is_gone_raises_nothing(connection: Connection, end: str) -> None:
    getattr(connection, end).close()
    assert connection.direct_writer.send("hello")
    assert (connection.rest, connection.direct_writer.is_clear) == (b"hello", False)


def test_what_is_held_goes_out_together_and_in_order(connection: Connection) -> None:
    connection.direct_writer.hold()
    assert connection.direct_writer.send("one ")
    assert connection.direct_writer.send("two ")
    with pytest.raises(BlockingIOError):
        connection.read()
    connection.direct_writer.release()
    assert connection.direct_writer.send("three")
    assert connection.read() == b"one two three"
    assert connection.direct_writer.bytes_written == 13


def test_no_more_is_held_than_a_piece(connection: Connection) -> None:
    connection.direct_writer.hold()
    for _ in range(5):
        assert connection.direct_writer.send("x" * (PIECE // 4))
    assert connection.direct_writer.bytes_written > PIECE
    connection.direct_writer.release()
    assert connection.direct_writer.bytes_written == 5 * (PIECE // 4)


def test_to_hold_twice_is_to_hold_once(connection: Connection) -> None:
    connection.direct_writer.hold()
    connection.direct_writer.send("one ")
    connection.direct_writer.hold()
    connection.direct_writer.send("two ")
    connection.direct_writer.release()
    connection.direct_writer.send("three")
    connection.direct_writer.release()
    assert connection.read() == b"one two three"


def test_nothing_held_is_nothing_sent(connection: Connection) -> None:
    connection.direct_writer.hold()
    connection.direct_writer.release()
    assert connection.direct_writer.bytes_written == 0
