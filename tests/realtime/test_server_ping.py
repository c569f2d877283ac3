"""Who is given up because it does not answer a ping, and who is not."""

from tests.realtime.server_process import ServerProcess, limits
from tests.realtime.wire import CLOSE, PING, PONG, Wire, frame

GOODBYE = frame(b"\x03\xe8", CLOSE)


def test_a_client_is_not_given_up_because_its_consumer_is_slow() -> None:
    options = ("--ping-interval", "1", "--ping-timeout", "1")
    with (
        ServerProcess(*options, environment=limits(INBOUND_MESSAGES=2)) as server,
        Wire(server.port, "/later/patient") as wire,
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
        with Wire(server.port, "/later/vanished") as wire:
            wire.send(b"".join(frame(f"{number} x".encode()) for number in range(5)))
        server.wait_for('"WSDISCONNECT /later/vanished"')
        server.get("/put/vanished-go")
        assert server.get("/board/vanished").endswith("1006]")


def test_a_silent_client_is_still_given_up() -> None:
    options = ("--ping-interval", "1", "--ping-timeout", "1")
    with ServerProcess(*options) as server, Wire(server.port, "/echo/silent"):
        assert server.get("/board/silent") == "1006"
