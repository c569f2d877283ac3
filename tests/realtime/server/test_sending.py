"""Slow readers, and large messages in pieces, with a client that may read slowly or not at all."""

import threading
from collections.abc import Iterator

import pytest

from tests.realtime.asgi_apps import MEGABYTE
from tests.realtime.raw_client import BINARY, CLOSE, PING, PONG, TEXT, Frame, RawClient, frame
from tests.realtime.server_process import ServerProcess, limits
from tests.waiting import rest

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def short_timeout_server() -> Iterator[ServerProcess]:
    """A server with a STALL_TIMEOUT of half a second."""
    with ServerProcess(environment=limits(STALL_TIMEOUT=0.5)) as process:
        yield process


def stalled(server: ServerProcess, path: str) -> RawClient:
    """A client that does not read. Its small buffer stops the system from reading for it."""
    return RawClient(server.port, path, receive_buffer=4096)


def test_a_client_that_does_not_read_needs_little_memory(short_timeout_server: ServerProcess) -> None:
    short_timeout_server.get("/")
    before = int(short_timeout_server.get("/memory"))
    with stalled(short_timeout_server, "/flood"):
        assert short_timeout_server.get("/board/flooded") == "1006"  # all 200 sends of 1 MB have returned
    grown = int(short_timeout_server.get("/memory")) - before
    assert grown < 40_000_000, "Flow control is off: see SendingProtocol.connectionMade and LiveServer.handle_reply."


def test_a_client_that_does_not_read_is_dropped_and_the_application_gets_a_disconnect(
    short_timeout_server: ServerProcess,
) -> None:
    with stalled(short_timeout_server, "/stall/dropped"):
        assert short_timeout_server.get("/board/dropped") == "1006"
    short_timeout_server.wait_for("has not read for 0.5 s: closed")


def test_a_client_that_closes_and_does_not_read_is_dropped(short_timeout_server: ServerProcess) -> None:
    with stalled(short_timeout_server, "/stall/goodbye") as wire:
        wire.send(frame(b"\x03\xe8", CLOSE))
        assert int(short_timeout_server.get("/board/goodbye")) in (1000, 1006)


def test_messages_of_concurrent_senders_keep_their_order(server: ServerProcess) -> None:
    with stalled(server, "/concurrent-sends") as wire:
        *messages, end = wire.rest()
    assert [int(message.payload.split()[0]) for message in messages] == list(range(40))
    assert end.close_code == 4000


def test_a_client_that_has_closed_cleanly_is_not_dropped_later(short_timeout_server: ServerProcess) -> None:
    with RawClient(short_timeout_server.port, "/echo/-") as wire:
        address = wire.socket.getsockname()[1]
        wire.send(frame(b"\x03\xe8", CLOSE))
        assert wire.close_code() == 1000
    with stalled(short_timeout_server, "/stall/later"):  # its timeout ends after that of the first client
        short_timeout_server.get("/board/later")
    assert f"{address}] has not read" not in short_timeout_server.output


def test_a_close_does_not_wait_for_senders_and_ends_their_waiting(server: ServerProcess) -> None:
    with stalled(server, "/interrupt") as wire:
        assert int(server.get("/board/waited")) > 0
        assert server.get("/board/interrupted") == '"before the connection was gone"'
        frames = wire.rest(answers=False)
    assert [each.close_code for each in frames if each.opcode == CLOSE] == [4001]
    assert frames[-1].opcode == CLOSE, "Something was sent after the close frame."


def test_sent_data_arrives_before_the_close_code_of_a_failure(server: ServerProcess) -> None:
    with stalled(server, "/stall/failure") as wire:
        assert wire.receive() == Frame(TEXT, MEGABYTE.encode())
        wire.send(frame(b"\xff"))
        frames = wire.rest(answers=False)
    assert frames[-1].close_code == 1007
    assert not wire.was_reset, "The connection was reset instead of closed."


def test_sending_to_a_lost_client_neither_raises_nor_hangs(server: ServerProcess) -> None:
    RawClient(server.port, "/send-after-disconnect").leave()
    assert server.get("/board/sent-after-disconnect") == "true"


def test_outgoing_messages_may_be_larger_than_incoming_ones(server: ServerProcess) -> None:
    with RawClient(server.port, "/large") as wire:
        assert wire.receive() == Frame(TEXT, MEGABYTE.encode() * 2)
        assert wire.receive() == Frame(BINARY, b"bytes")


def test_a_slow_reader_of_large_messages_is_not_closed() -> None:
    with (
        ServerProcess(environment=limits(STALL_TIMEOUT=2, MIN_READ_RATE=1_000, SLOW_WINDOW=2)) as server,
        RawClient(server.port, "/concurrent-sends", receive_buffer=4096) as wire,
    ):
        total, received = 3_000_000, 0  # each message takes longer than STALL_TIMEOUT
        while received < total:
            data = wire.socket.recv(60_000)
            assert data, "The client was closed although it reads."
            received += len(data)
            rest(len(data) / 400_000)


def test_a_reader_below_the_minimum_rate_is_closed() -> None:
    with (
        ServerProcess(environment=limits(STALL_TIMEOUT=60, MIN_READ_RATE=1_000_000, SLOW_WINDOW=0.5)) as server,
        RawClient(server.port, "/flood", receive_buffer=4096) as wire,
    ):
        is_over = threading.Event()

        def crawl() -> None:
            while not is_over.wait(0.05) and wire.socket.recv(100):
                pass

        crawling = threading.Thread(target=crawl, daemon=True)
        crawling.start()
        server.wait_for("has read less than 1e+06 bytes a second for 0.5 s: closed")
        is_over.set()
        crawling.join()


def test_a_stalled_client_that_reads_on_in_time_gets_the_close_code() -> None:
    with (
        ServerProcess(environment=limits(STALL_TIMEOUT=0.3)) as server,
        RawClient(server.port, "/stall/woken", receive_buffer=4096) as wire,
    ):
        server.wait_for("has not read for 0.3 s: closed")
        assert wire.rest()[-1].close_code == 4013


@pytest.mark.parametrize("character", ["x", "\N{BLACK CHESS KNIGHT}"])
def test_a_large_message_is_sent_in_pieces_and_arrives_whole(character: str) -> None:
    text = character * 300_000
    options = ("--websocket-max-message-size", "0", "--websocket-max-frame-size", "0")
    with ServerProcess(*options) as server, RawClient(server.port, "/echo/pieces") as wire:
        wire.send(frame(text.encode()))
        assert wire.receive() == Frame(TEXT, text.encode())
        assert wire.max_pieces > 1


def test_a_pong_is_sent_between_the_pieces_of_a_message() -> None:
    with ServerProcess() as server, RawClient(server.port, "/stall/between", receive_buffer=4096) as wire:
        wire.send(frame(b"there?", PING))
        first = wire.receive()
        while first == Frame(TEXT, MEGABYTE.encode()):
            first = wire.receive()
        assert first == Frame(PONG, b"there?")
