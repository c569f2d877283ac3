"""The deadline for the head of a request, and the caps on connections."""

import socket
from http.client import HTTPConnection

import pytest

from tests.realtime.raw_client import RawClient, frame, read_to_end
from tests.realtime.server_process import PATIENCE, ServerProcess, limits

pytestmark = pytest.mark.once

UPGRADE = b"GET /echo/x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: "


def is_dropped(port: int, data: bytes) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as raw:
        raw.sendall(data)
        try:
            return raw.recv(1) == b""
        except ConnectionError:
            return True


class TestRequestDeadline:
    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(b"", id="nothing"),
            pytest.param(b"GET /half HTTP/1.1\r\nHost:", id="half a request"),
            pytest.param(UPGRADE, id="half an upgrade"),
            pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /", id="an incomplete second request"),
        ],
    )
    def test_a_connection_with_an_incomplete_head_is_dropped(self, data: bytes) -> None:
        with (
            ServerProcess(environment=limits(FIRST_REQUEST_DEADLINE=0.3)) as server,
            socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as raw,
        ):
            raw.sendall(data)
            read_to_end(raw)
            server.wait_for("sent no request in 0.3 s: dropped")

    def test_single_bytes_do_not_extend_the_deadline(self) -> None:
        with (
            ServerProcess(environment=limits(FIRST_REQUEST_DEADLINE=0.5)) as server,
            socket.create_connection(("127.0.0.1", server.port), timeout=0.05) as raw,
        ):
            sent = 0
            with pytest.raises(ConnectionError):
                while sent < PATIENCE * 20:
                    sent += raw.send(b"G")
                    try:
                        if raw.recv(1) == b"":
                            raise ConnectionError
                    except TimeoutError:
                        pass

    def test_open_sockets_and_keep_alive_connections_are_not_dropped(self) -> None:
        with ServerProcess(environment=limits(FIRST_REQUEST_DEADLINE=0.3)) as server:
            kept = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
            kept.request("GET", "/")
            kept.getresponse().read()
            with RawClient(server.port, "/echo/stays") as wire:
                assert is_dropped(server.port, b"")  # its deadline began last
                wire.send(frame(b"x"))
                assert wire.receive() is not None
            kept.request("GET", "/")
            assert kept.getresponse().read() == b"hello"
            kept.close()


class TestCaps:
    def test_a_socket_over_the_cap_gets_503_with_retry_after_and_http_still_works(self) -> None:
        with ServerProcess(environment=limits(MAX_CONNECTIONS=1)) as server:
            with RawClient(server.port, "/echo/first") as first:
                with RawClient(server.port, "/echo/second") as second:
                    assert second.status == 503
                    assert "Retry-After: 5\r\n" in second.head
                assert server.get("/") == "hello"
                first.send(frame(b"x"))
                assert first.receive() is not None
            assert server.get("/board/first") == "1006"
            with RawClient(server.port, "/echo/third") as third:
                assert third.status == 101

    def test_the_address_cap_counts_the_client_address_from_the_proxy_headers(self) -> None:
        with ServerProcess("--proxy-headers", environment=limits(MAX_ADDRESS_CONNECTIONS=1)) as server:
            one, other = "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2"
            with RawClient(server.port, "/echo/a", one), RawClient(server.port, "/echo/b", other) as second:
                assert second.status == 101
                with RawClient(server.port, "/echo/c", one) as third:
                    assert third.status == 503

    def test_a_socket_that_the_application_refuses_is_not_counted(self) -> None:
        with ServerProcess(environment=limits(MAX_CONNECTIONS=1)) as server:
            for _ in range(3):
                with RawClient(server.port, "/refuse") as wire:
                    assert wire.status == 403
                    wire.rest()
