"""Slow readers, and large messages in pieces, with a client that may read slowly or not at all."""

import threading

import pytest

from tests.realtime.asgi_apps import MEGABYTE
from tests.realtime.raw_client import PING, PONG, TEXT, Frame, RawClient, frame
from tests.realtime.server_process import ServerProcess, limits
from tests.waiting import rest

pytestmark = pytest.mark.once


def test_a_slow_reader_of_large_messages_is_not_closed() -> None:
    with (
        ServerProcess(environment=limits(STALL_TIMEOUT=2, MIN_READ_RATE=1_000, SLOW_WINDOW=2)) as server,
        RawClient(server.port, "/choir", receive_buffer=4096) as wire,
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
        assert wire.most_pieces > 1


def test_a_pong_is_sent_between_the_pieces_of_a_message() -> None:
    with ServerProcess() as server, RawClient(server.port, "/stall/between", receive_buffer=4096) as wire:
        wire.send(frame(b"there?", PING))
        first = wire.receive()
        while first == Frame(TEXT, MEGABYTE.encode()):
            first = wire.receive()
        assert first == Frame(PONG, b"there?")
