"""Who is given up because it does not answer a ping, and who is not."""

from collections.abc import Callable
from contextlib import ExitStack
from urllib.request import urlopen

import pytest

from tests.realtime.raw_client import CLOSE, PING, PONG, TEXT, RawClient, frame
from tests.realtime.server_process import ServerProcess, limits

pytestmark = pytest.mark.once
GOODBYE = frame(b"\x03\xe8", CLOSE)


def test_a_client_is_not_given_up_because_its_consumer_is_slow() -> None:
    options = ("--ping-interval", "1", "--ping-timeout", "1")
    with (
        ServerProcess(*options, environment=limits(INBOUND_MESSAGES=2)) as server,
        RawClient(server.port, "/later/patient") as wire,
    ):
        wire.send(b"".join(frame(f"{number} x".encode()) for number in range(5)))
        for _ in range(3):  # the server has waited for an answer to the first two, and reads none
            ping = wire.receive()
            assert ping is not None
            assert ping.opcode == PING
            wire.send(frame(ping.payload, PONG))
        server.get("/put/patient-go")
        wire.send(GOODBYE)
        assert wire.close_code() == 1000
        assert server.get("/board/patient") == "[[0, 1, 2, 3, 4], 1000]"


def test_a_client_that_vanishes_while_it_is_not_read_is_noticed() -> None:
    options = ("--ping-interval", "1", "--ping-timeout", "1")
    with ServerProcess(*options, environment=limits(INBOUND_MESSAGES=2)) as server:
        with RawClient(server.port, "/later/vanished") as wire:
            wire.send(b"".join(frame(f"{number} x".encode()) for number in range(5)))
        server.wait_for('"WSDISCONNECT /later/vanished"')
        server.get("/put/vanished-go")
        assert server.get("/board/vanished").endswith("1006]")


def test_a_silent_client_is_still_given_up() -> None:
    options = ("--ping-interval", "1", "--ping-timeout", "1")
    with ServerProcess(*options) as server, RawClient(server.port, "/echo/silent"):
        assert server.get("/board/silent") == "1006"


def in_two_parts(wire: RawClient, pong: bytes) -> None:
    wire.send(pong[:7])
    with urlopen(f"http://127.0.0.1:{wire.socket.getpeername()[1]}/"):
        pass  # what answers this has read that
    wire.send(pong[7:])


ANSWERS: dict[str, Callable[[RawClient, bytes], None]] = {
    "alone": lambda wire, pong: wire.send(pong),
    "behind-a-message": lambda wire, pong: wire.send(frame(b"0 hey") + pong),
    "before-a-message": lambda wire, pong: wire.send(pong + frame(b"0 hey")),
    "in-two-parts": in_two_parts,
    "behind-one-that-nobody-awaits": lambda wire, pong: wire.send(frame(b"what?", PONG) + pong),
}


def next_ping(wire: RawClient) -> bytes:
    """Its payload; messages that come before it are passed over."""
    received = wire.receive()
    while received is not None and received.opcode == TEXT:
        received = wire.receive()
    assert received is not None
    assert received.opcode == PING
    return received.payload


def test_an_answer_counts_however_it_comes() -> None:
    options = ("--ping-interval", "1", "--ping-timeout", "1")
    with ServerProcess(*options) as server, ExitStack() as stack:
        wires = {name: stack.enter_context(RawClient(server.port, f"/echo/{name}")) for name in ANSWERS}
        for _ in range(4):
            for name, wire in wires.items():
                ANSWERS[name](wire, frame(next_ping(wire), PONG))
        for name, wire in wires.items():
            wire.send(GOODBYE)
            assert wire.close_code() == 1000, name


def test_the_answer_to_another_ping_is_none() -> None:
    options = ("--ping-interval", "1", "--ping-timeout", "1")
    with ServerProcess(*options) as server, ExitStack() as stack:
        wires = [stack.enter_context(RawClient(server.port, f"/echo/wrong-{number}")) for number in range(3)]
        for wire, wrong in zip(wires, (b"", b"what?", b"x" * 12), strict=True):
            next_ping(wire)
            wire.send(frame(wrong, PONG))
        for number in range(3):
            assert server.get(f"/board/wrong-{number}") == "1006"


def test_pings_have_an_answer_of_their_own_each() -> None:
    options = ("--ping-interval", "1", "--ping-timeout", "1")
    with ServerProcess(*options) as server, RawClient(server.port, "/echo/late") as wire:
        payloads = []
        for _ in range(2):
            payloads.append(next_ping(wire))
            wire.send(frame(payloads[0], PONG))  # the second time it is too late
        assert len(set(payloads)) == 2
        assert server.get("/board/late") == "1006"
