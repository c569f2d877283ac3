"""The fast path of sending, on a real socket."""

import socket
from collections.abc import Iterator

import pytest

from realtime.server.direct_writer import DirectWriter

pytestmark = pytest.mark.once

PIECE = 400_000


class Connection:
    """A connected pair of sockets. `ours` has the direct writer, `theirs` reads."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.rest = b""
        self.slow_path: list[str | None] = []
        self.direct_writer = DirectWriter(
            self.ours,
            str.encode,
            max_piece_bytes=PIECE,
            send_slow_path=self._send_slow_path,
            write_rest=self._write_rest,
        )
        self.direct_writer.is_clear = True

    def _send_slow_path(self, text: str | None) -> bool:
        self.slow_path.append(text)
        return False

    def _write_rest(self, rest: bytes) -> None:
        self.rest += rest

    def read(self, limit: int = 1_000_000) -> bytes:
        return self.theirs.recv(limit, socket.MSG_DONTWAIT)


@pytest.fixture
def connection() -> Iterator[Connection]:
    connection = Connection()
    yield connection
    connection.ours.close()
    connection.theirs.close()


def test_a_text_goes_directly_to_the_operating_system(connection: Connection) -> None:
    assert connection.direct_writer.send("hello")
    assert connection.read() == b"hello"
    assert (connection.direct_writer.bytes_written, connection.direct_writer.is_clear, connection.rest) == (
        5,
        True,
        b"",
    )
    assert not connection.slow_path


@pytest.mark.parametrize("text", [None, "", "x" * (PIECE // 4 + 1)])
def test_a_large_or_empty_text_takes_the_slow_path(connection: Connection, text: str | None) -> None:
    assert not connection.direct_writer.send(text)
    assert connection.slow_path == [text]
    assert connection.direct_writer.bytes_written == 0


def test_a_text_takes_the_slow_path_while_the_connection_is_not_clear(connection: Connection) -> None:
    connection.direct_writer.is_clear = False
    assert not connection.direct_writer.send("hello")
    assert connection.slow_path == ["hello"]


def test_the_transport_gets_in_order_what_the_operating_system_does_not_take(connection: Connection) -> None:
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
def test_sending_to_a_lost_connection_raises_nothing(connection: Connection, end: str) -> None:
    getattr(connection, end).close()
    assert connection.direct_writer.send("hello")
    assert (connection.rest, connection.direct_writer.is_clear) == (b"hello", False)


def test_texts_that_are_held_are_sent_together_and_in_order(connection: Connection) -> None:
    connection.direct_writer.hold()
    assert connection.direct_writer.send("one ")
    assert connection.direct_writer.send("two ")
    with pytest.raises(BlockingIOError):
        connection.read()
    connection.direct_writer.release()
    assert connection.direct_writer.send("three")
    assert connection.read() == b"one two three"
    assert connection.direct_writer.bytes_written == 13


def test_at_most_one_piece_is_held(connection: Connection) -> None:
    connection.direct_writer.hold()
    for _ in range(5):
        assert connection.direct_writer.send("x" * (PIECE // 4))
    assert connection.direct_writer.bytes_written > PIECE
    connection.direct_writer.release()
    assert connection.direct_writer.bytes_written == 5 * (PIECE // 4)


def test_a_second_hold_changes_nothing(connection: Connection) -> None:
    connection.direct_writer.hold()
    connection.direct_writer.send("one ")
    connection.direct_writer.hold()
    connection.direct_writer.send("two ")
    connection.direct_writer.release()
    connection.direct_writer.send("three")
    connection.direct_writer.release()
    assert connection.read() == b"one two three"


def test_a_release_without_held_texts_sends_nothing(connection: Connection) -> None:
    connection.direct_writer.hold()
    connection.direct_writer.release()
    assert connection.direct_writer.bytes_written == 0
