"""One WebSocket of the server, by a client that may do what a good one never does."""

import threading

import pytest

from tests.realtime.asgi_apps import MEGABYTE
from tests.realtime.raw_client import CLOSE, PING, PONG, TEXT, Frame, RawClient, frame
from tests.realtime.server_process import ServerProcess, limits
from tests.waiting import rest

pytestmark = pytest.mark.once

PARAGRAPH = "x" * 60_000
GOODBYE = frame(b"\x03\xe8", CLOSE)


def sending(wire: RawClient, data: bytes) -> threading.Thread:
    """In a thread, since it blocks when the server does not read."""
    thread = threading.Thread(target=wire.send, args=(data,), daemon=True)
    thread.start()
    return thread


class TestReceiving:
    def test_a_slow_consumer_costs_no_memory_and_loses_nothing(self) -> None:
        texts = [f"{number} {PARAGRAPH}".encode() for number in range(500)]  # 30 MB
        with ServerProcess(environment=limits(MESSAGE_BURST=0)) as server:
            before = int(server.get("/memory"))
            with RawClient(server.port, "/later/slow") as wire:
                thread = sending(wire, b"".join(frame(text) for text in texts) + frame(b"there?", PING) + GOODBYE)
                thread.join(1)  # by then it would have read them all
                grown = int(server.get("/memory")) - before
                assert grown < 10_000_000, "The inbound queue is off: see LiveServer.create_application."
                server.get("/put/slow-go")
                assert wire.receive() == Frame(PONG, b"there?")
                assert wire.close_code() == 1000
                thread.join()
            assert server.get("/board/slow") == f"[{list(range(500))}, 1000]"

    def test_many_small_messages_that_came_in_one_piece_are_kept_back_too(self) -> None:
        data = b"".join(frame(f"{number} x".encode()) for number in range(3_000))
        with (
            ServerProcess(environment=limits(MESSAGE_BURST=0, INBOUND_MESSAGES=4)) as server,
            RawClient(server.port, "/later/small") as wire,
        ):
            wire.send(data + GOODBYE)
            server.get("/put/small-go")
            assert wire.close_code() == 1000
            assert server.get("/board/small") == f"[{list(range(3_000))}, 1000]"

    def test_a_flood_is_closed_with_what_the_application_has_left_to_say(self) -> None:
        with (
            ServerProcess(environment=limits(MESSAGE_BURST=10, MESSAGE_RATE=0.001)) as server,
            RawClient(server.port, "/last-words/flood") as wire,
        ):
            wire.send(frame(b"x") * 1_000)
            words, end = wire.rest(answers=False)
            assert words == Frame(TEXT, b"last words for 1008")
            assert end.close_code == 1008
            assert server.get("/board/flood") == "[10, 1006]"

    def test_an_application_that_leaves_nothing_to_say_is_not_spoken_for(self) -> None:
        with (
            ServerProcess(environment=limits(MESSAGE_BURST=1, MESSAGE_RATE=0.001)) as server,
            RawClient(server.port, "/echo/plain") as wire,
        ):
            wire.send(frame(b"1"))
            assert wire.receive() == Frame(TEXT, b"1")
            wire.send(frame(b"2"))
            assert [each.close_code for each in wire.rest(answers=False)] == [1008]


class TestSending:
    def test_a_slow_reader_of_large_messages_stays(self) -> None:
        with (
            ServerProcess(environment=limits(STALL_TIMEOUT=2, MIN_READ_RATE=1_000, SLOW_WINDOW=2)) as server,
            RawClient(server.port, "/choir", receive_buffer=4096) as wire,
        ):
            total, received = 3_000_000, 0  # each of the messages takes it longer than the deadline
            while received < total:
                data = wire.socket.recv(60_000)
                assert data, "It was cut, though it read."
                received += len(data)
                rest(len(data) / 400_000)

    def test_a_reader_that_crawls_is_closed(self) -> None:
        with (
            ServerProcess(environment=limits(STALL_TIMEOUT=60, MIN_READ_RATE=1_000_000, SLOW_WINDOW=0.5)) as server,
            RawClient(server.port, "/flood", receive_buffer=4096) as wire,
        ):
            over = threading.Event()

            def crawl() -> None:
                while not over.wait(0.05) and wire.socket.recv(100):
                    pass

            crawling = threading.Thread(target=crawl, daemon=True)
            crawling.start()
            server.wait_for("has read less than 1e+06 bytes a second for 0.5 s: closed")
            over.set()
            crawling.join()

    def test_who_reads_on_in_time_sees_why_it_is_closed(self) -> None:
        with (
            ServerProcess(environment=limits(STALL_TIMEOUT=0.3)) as server,
            RawClient(server.port, "/stall/woken", receive_buffer=4096) as wire,
        ):
            server.wait_for("has not read for 0.3 s: closed")
            assert wire.rest()[-1].close_code == 4013

    @pytest.mark.parametrize("character", ["x", "\N{BLACK CHESS KNIGHT}"])
    def test_a_large_message_arrives_whole_though_in_pieces(self, character: str) -> None:
        text = character * 300_000
        options = ("--websocket-max-message-size", "0", "--websocket-max-frame-size", "0")
        with ServerProcess(*options) as server, RawClient(server.port, "/echo/pieces") as wire:
            wire.send(frame(text.encode()))
            assert wire.receive() == Frame(TEXT, text.encode())
            assert wire.most_pieces > 1

    def test_a_ping_goes_between_the_pieces(self) -> None:
        with ServerProcess() as server, RawClient(server.port, "/stall/between", receive_buffer=4096) as wire:
            wire.send(frame(b"there?", PING))
            first = wire.receive()
            while first == Frame(TEXT, MEGABYTE.encode()):
                first = wire.receive()
            assert first == Frame(PONG, b"there?")
