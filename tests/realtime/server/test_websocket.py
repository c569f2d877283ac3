"""Receiving: a slow application pauses its client, and a flood closes it."""

import threading

import pytest

from tests.realtime.raw_client import CLOSE, PING, PONG, TEXT, Frame, RawClient, frame
from tests.realtime.server_process import ServerProcess, limits

pytestmark = pytest.mark.once

PARAGRAPH = "x" * 60_000
GOODBYE = frame(b"\x03\xe8", CLOSE)


def send_in_thread(wire: RawClient, data: bytes) -> threading.Thread:
    """Sends in a thread, since `send` blocks while the server does not read."""
    thread = threading.Thread(target=wire.send, args=(data,), daemon=True)
    thread.start()
    return thread


def test_a_slow_consumer_needs_little_memory_and_loses_nothing() -> None:
    texts = [f"{number} {PARAGRAPH}".encode() for number in range(500)]  # 30 MB
    with ServerProcess(environment=limits(MESSAGE_BURST=0)) as server:
        before = int(server.get("/memory"))
        with RawClient(server.port, "/later/slow") as wire:
            thread = send_in_thread(wire, b"".join(frame(text) for text in texts) + frame(b"there?", PING) + GOODBYE)
            thread.join(1)  # without a bound the server would have read all messages by then
            grown = int(server.get("/memory")) - before
            assert grown < 10_000_000, "The inbound queue is not used: see LiveServer.create_application."
            server.get("/put/slow-go")
            assert wire.receive() == Frame(PONG, b"there?")
            assert wire.close_code() == 1000
            thread.join()
        assert server.get("/board/slow") == f"[{list(range(500))}, 1000]"


def test_many_small_messages_in_one_segment_wait_for_the_application_too() -> None:
    data = b"".join(frame(f"{number} x".encode()) for number in range(3_000))
    with (
        ServerProcess(environment=limits(MESSAGE_BURST=0, INBOUND_MESSAGES=4)) as server,
        RawClient(server.port, "/later/small") as wire,
    ):
        wire.send(data + GOODBYE)
        server.get("/put/small-go")
        assert wire.close_code() == 1000
        assert server.get("/board/small") == f"[{list(range(3_000))}, 1000]"


def test_a_flood_is_closed_after_the_last_frame_of_the_application() -> None:
    with (
        ServerProcess(environment=limits(MESSAGE_BURST=10, MESSAGE_RATE=0.001)) as server,
        RawClient(server.port, "/last-frame/flood") as wire,
    ):
        wire.send(frame(b"x") * 1_000)
        last_frame, end = wire.rest(answers=False)
        assert last_frame == Frame(TEXT, b"last frame for 1008")
        assert end.close_code == 1008
        assert server.get("/board/flood") == "[10, 1006]"


def test_without_a_registered_last_frame_only_the_close_code_is_sent() -> None:
    with (
        ServerProcess(environment=limits(MESSAGE_BURST=1, MESSAGE_RATE=0.001)) as server,
        RawClient(server.port, "/echo/plain") as wire,
    ):
        wire.send(frame(b"1"))
        assert wire.receive() == Frame(TEXT, b"1")
        wire.send(frame(b"2"))
        assert [each.close_code for each in wire.rest(answers=False)] == [1008]
