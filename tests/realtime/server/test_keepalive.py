"""Which clients are dropped because of a missing pong, and which are not."""

from collections.abc import Callable
from contextlib import ExitStack
from urllib.request import urlopen

import pytest

from tests.realtime.raw_client import CLOSE, PING, PONG, TEXT, RawClient, frame
from tests.realtime.server_process import ServerProcess, limits

pytestmark = pytest.mark.once
GOODBYE = frame(b"\x03\xe8", CLOSE)


def test_a_client_is_not_dropped_because_its_consumer_is_slow() -> None:
    options = ("--ping-interval", "1", "--ping-timeout", "1")
    with (
        ServerProcess(*options, environment=limits(INBOUND_MESSAGES=2)) as server,
        RawClient(server.port, "/later/patient") as wire,
    ):
        wire.send(b"".join(frame(f"{number} x".encode()) for number in range(5)))
        for _ in range(3):  # the server does not read, so it cannot see the first two pongs
            ping = wire.receive()
            assert ping is not None
            assert ping.opcode == PING
            wire.send(frame(ping.payload, PONG))
        server.get("/put/patient-go")
        wire.send(GOODBYE)
        assert wire.close_code() == 1000
        assert server.get("/board/patient") == "[[0, 1, 2, 3, 4], 1000]"


def test_a_client_that_vanishes_while_the_server_does_not_read_is_detected() -> None:
    options = ("--ping-interval", "1", "--ping-timeout", "1")
    with ServerProcess(*options, environment=limits(INBOUND_MESSAGES=2)) as server:
        with RawClient(server.port, "/later/vanished") as wire:
            wire.send(b"".join(frame(f"{number} x".encode()) for number in range(5)))
        server.wait_for('"WSDISCONNECT /later/vanished"')
        server.get("/put/vanished-go")
        assert server.get("/board/vanished").endswith("1006]")


def test_a_client_without_a_pong_is_dropped() -> None:
    options = ("--ping-interval", "1", "--ping-timeout", "1")
    with ServerProcess(*options) as server, RawClient(server.port, "/echo/silent"):
        assert server.get("/board/silent") == "1006"


def in_two_parts(wire: RawClient, pong: bytes) -> None:
    wire.send(pong[:7])
    with urlopen(f"http://127.0.0.1:{wire.socket.getpeername()[1]}/"):
        pass  # the server has read the first part before it answers
    wire.send(pong[7:])


PONGS: dict[str, Callable[[RawClient, bytes], None]] = {
    "alone": lambda wire, pong: wire.send(pong),
    "after-a-message": lambda wire, pong: wire.send(frame(b"0 hey") + pong),
    "before-a-message": lambda wire, pong: wire.send(pong + frame(b"0 hey")),
    "in-two-parts": in_two_parts,
    "after-an-unexpected-pong": lambda wire, pong: wire.send(frame(b"what?", PONG) + pong),
}


def next_ping(wire: RawClient) -> bytes:
    """The payload of the next ping. Messages before it are dropped."""
    received = wire.receive()
    while received is not None and received.opcode == TEXT:
        received = wire.receive()
    assert received is not None
    assert received.opcode == PING
    return received.payload


def test_a_pong_counts_alone_beside_other_frames_and_in_two_parts() -> None:
    options = ("--ping-interval", "1", "--ping-timeout", "1")
    with ServerProcess(*options) as server, ExitStack() as stack:
        wires = {name: stack.enter_context(RawClient(server.port, f"/echo/{name}")) for name in PONGS}
        for _ in range(4):
            for name, wire in wires.items():
                PONGS[name](wire, frame(next_ping(wire), PONG))
        for name, wire in wires.items():
            wire.send(GOODBYE)
            assert wire.close_code() == 1000, name


def test_a_pong_with_another_payload_is_ignored() -> None:
    options = ("--ping-interval", "1", "--ping-timeout", "1")
    with ServerProcess(*options) as server, ExitStack() as stack:
        wires = [stack.enter_context(RawClient(server.port, f"/echo/wrong-{number}")) for number in range(3)]
        for wire, wrong in zip(wires, (b"", b"what?", b"x" * 12), strict=True):
            next_ping(wire)
            wire.send(frame(wrong, PONG))
        for number in range(3):
            assert server.get(f"/board/wrong-{number}") == "1006"


def test_each_ping_has_its_own_payload_and_a_pong_to_an_older_ping_is_ignored() -> None:
    options = ("--ping-interval", "1", "--ping-timeout", "1")
    with ServerProcess(*options) as server, RawClient(server.port, "/echo/late") as wire:
        payloads = []
        for _ in range(2):
            payloads.append(next_ping(wire))
            wire.send(frame(payloads[0], PONG))  # the second one belongs to the older ping
        assert len(set(payloads)) == 2
        assert server.get("/board/late") == "1006"
