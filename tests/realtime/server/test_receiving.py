"""Receiving: every frame is charged, fragments are capped, and frames before the answer to the handshake wait."""

import json
import select
import signal
import socket
from contextlib import ExitStack

import pytest

from tests.realtime.raw_client import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    RawClient,
    frame,
    handshake,
)
from tests.realtime.server_process import PATIENCE, ServerProcess, limits

pytestmark = pytest.mark.once

FEW = limits(MESSAGE_BURST=100, MESSAGE_RATE=0.001, MAX_FRAGMENTS=1_000)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(frame(b"") * 200, id="empty texts"),
        pytest.param(frame(b"", PING) * 200, id="empty pings"),
        pytest.param(frame(b"x" * 125, PING) * 200, id="pings"),
        pytest.param(frame(b"", PONG) * 200, id="pongs that nobody asked for"),
        pytest.param(frame(b"", fin=False) + frame(b"", CONTINUATION, fin=False) * 200, id="empty fragments"),
        pytest.param(frame(b"", BINARY, fin=False) + frame(b"x", CONTINUATION, fin=False) * 200, id="fragments"),
        pytest.param((frame(b"", PING) + frame(b"", PONG)) * 100, id="pings and pongs"),
    ],
)
def test_every_frame_is_charged(data: bytes) -> None:
    with ServerProcess(environment=FEW) as server:
        with RawClient(server.port, "/last-frame/charged") as wire:
            wire.send(data)
            frames = wire.rest()
            assert frames[-1].close_code == 1008
            assert len(frames) <= 102, "Each ping within the limit has its pong, and no other."
        assert json.loads(server.get("/counts"))["floods"] == 1


def test_frames_within_the_limit_are_answered_and_a_close_frame_is_free() -> None:
    with ServerProcess(environment=FEW) as server, RawClient(server.port, "/never") as wire:
        wire.send(frame(b"", PING) * 100 + frame(b"\x03\xe8", CLOSE))
        assert wire.rest() == [Frame(PONG, b"")] * 100 + [Frame(CLOSE, b"\x03\xe8")]


def test_the_fragments_of_a_message_are_capped() -> None:
    with ServerProcess(environment=limits(MAX_FRAGMENTS=10)) as server:
        for number, expected in ((10, None), (11, 1008)):
            with RawClient(server.port, "/echo/fragments") as wire:
                middle = frame(b"x", CONTINUATION, fin=False) * (number - 2)
                wire.send(frame(b"x", fin=False) + middle + frame(b"x", CONTINUATION))
                received = wire.receive()
                assert received is not None
                assert received.close_code == expected
                if expected is None:
                    assert received == Frame(TEXT, b"x" * number)
                else:
                    assert b"more than 10 fragments of a message" in received.payload


def test_control_frames_between_the_fragments_do_not_count_as_fragments() -> None:
    with (
        ServerProcess(environment=limits(MAX_FRAGMENTS=2)) as server,
        RawClient(server.port, "/echo/between") as wire,
    ):
        wire.send(frame(b"a", fin=False) + frame(b"?", PING) * 5 + frame(b"b", CONTINUATION))
        assert [wire.receive() for _ in range(6)] == [Frame(PONG, b"?")] * 5 + [Frame(TEXT, b"ab")]


def test_a_frame_that_comes_byte_by_byte_is_received(server: ServerProcess) -> None:
    text = "häppchenweise".encode() * 20
    with RawClient(server.port, "/echo/bytes") as wire:
        wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in frame(text):
            wire.send(bytes([byte]))
        assert wire.receive() == Frame(TEXT, text)


@pytest.mark.parametrize("frames", [1, 3, 32])
def test_frames_beyond_a_turn_are_processed_in_order(frames: int) -> None:
    with (
        ServerProcess(environment=limits(FRAMES_PER_TURN=frames, MESSAGE_BURST=0)) as server,
        RawClient(server.port, "/echo/turns") as wire,
    ):
        wire.send(b"".join(frame(b"%d" % number) for number in range(2_000)))
        received = [wire.receive() for _ in range(2_000)]
        assert received == [Frame(TEXT, b"%d" % number) for number in range(2_000)]


def test_many_sockets_with_full_segments_do_not_keep_the_others_waiting() -> None:
    """The page is answered before the ping behind their pongs: the segments alone are a second of work."""
    with ServerProcess(environment=limits(MESSAGE_BURST=0)) as server, ExitStack() as clients:
        attackers = [clients.enter_context(RawClient(server.port, "/never")) for _ in range(20)]
        data = frame(b"", PONG) * 10_000 + frame(b"", PING)
        for each in attackers:
            each.socket.setblocking(False)
            assert each.socket.send(data) == len(data)
        assert server.get("/") == "hello"
        answered, _, _ = select.select([each.socket for each in attackers], [], [], 0)
        assert not answered


@pytest.mark.parametrize(("length", "in_one_round"), [(10, True), (50_000, False)])
def test_one_socket_in_a_round_of_the_event_loop_processes_a_large_read(length: int, in_one_round: bool) -> None:
    with ServerProcess() as server, ExitStack() as stack:
        clients = [stack.enter_context(RawClient(server.port, "/rounds")) for _ in range(10)]
        server.send_signal(signal.SIGSTOP)  # so that it reads from all of them in one round
        for each in clients:
            each.send(frame(b"x" * length))
        server.send_signal(signal.SIGCONT)
        received = [each.receive() for each in clients]
        numbers = {each.payload for each in received if each}
        assert len(received) == 10
        assert len(numbers) < 5 if in_one_round else len(numbers) == 10


class TestBeforeTheAnswer:
    def test_frames_in_the_segment_of_the_handshake_are_answered(self, server: ServerProcess) -> None:
        with RawClient(server.port, "/echo/early", early=frame(b"one") + frame(b"two")) as wire:
            assert wire.status == 101
            assert [wire.receive(), wire.receive()] == [Frame(TEXT, b"one"), Frame(TEXT, b"two")]
            wire.send(frame(b"three"))
            assert wire.receive() == Frame(TEXT, b"three")

    def test_half_a_frame_in_the_segment_of_the_handshake_is_kept(self, server: ServerProcess) -> None:
        data = frame(b"one")
        with RawClient(server.port, "/echo/half", early=data[:5]) as wire:
            wire.send(data[5:])
            assert wire.receive() == Frame(TEXT, b"one")

    def test_a_client_that_sends_megabytes_is_held_back(self) -> None:
        data = frame(b"x" * 60_000)
        with ServerProcess(environment=limits(MESSAGE_BURST=0)) as server:
            before = int(server.get("/memory"))
            with socket.create_connection(("127.0.0.1", server.port), timeout=0.5) as raw:
                raw.sendall(handshake(server.port, "/accept-later/held") + data)
                with pytest.raises(TimeoutError):
                    for _ in range(2_000):  # 120 MB
                        raw.sendall(data)
                assert int(server.get("/memory")) - before < 10_000_000
                server.get("/put/held-go")
                raw.settimeout(PATIENCE)
                assert raw.recv(12) == b"HTTP/1.1 101"

    def test_a_second_handshake_is_not_read_as_one(self, server: ServerProcess) -> None:
        before = server.output.count("Traceback")
        with RawClient(server.port, "/echo/second", early=handshake(server.port, "/echo/other")) as wire:
            assert wire.status == 101
            assert wire.close_code() == 1002
        assert server.output.count("Traceback") == before
