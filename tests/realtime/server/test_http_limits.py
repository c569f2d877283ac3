"""The caps on connections without a socket, requests that break HTTP, the time for a body, and clients that do not read
a response."""

import json
import socket
from types import SimpleNamespace

import pytest
from pytest_django import Settings
from twisted.internet.address import IPv4Address

from realtime.server.http import LiveHTTPFactory
from tests.realtime.raw_client import TEXT, Frame, RawClient, frame, read_to_end
from tests.realtime.server_process import PATIENCE, ServerProcess, limits
from tests.waiting import until

pytestmark = pytest.mark.once

PAGE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 200\r\n\r\n"


def connect(server: ServerProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)


def counts(server: ServerProcess) -> dict[str, int]:
    found: dict[str, int] = json.loads(server.get("/counts"))
    return found


class TestCapOfConnections:
    def test_a_connection_over_the_cap_gets_503_and_the_next_one_is_served(self) -> None:
        with ServerProcess(environment=limits(MAX_HTTP_CONNECTIONS=2)) as server:
            with connect(server) as one, connect(server) as two:
                for each in (one, two):
                    each.sendall(PAGE)
                    assert each.recv(15) == b"HTTP/1.1 200 OK"
                with connect(server) as three:
                    head = read_to_end(three)
                    assert head.startswith(b"HTTP/1.1 503 ")
                    assert b"Retry-After: 5\r\n" in head
            until(lambda: _is_served(server))
            assert counts(server)["refused_http_process"] >= 1

    def test_open_sockets_do_not_count(self) -> None:
        with ServerProcess(environment=limits(MAX_HTTP_CONNECTIONS=1)) as server:
            wires = [RawClient(server.port, "/echo/open") for _ in range(3)]
            assert [each.status for each in wires] == [101] * 3
            assert server.get("/") == "hello"
            for each in wires:
                each.leave()

    def test_an_address_has_a_cap_of_its_own(self, settings: Settings) -> None:
        settings.REALTIME = {"MAX_HTTP_CONNECTIONS": 10, "MAX_ADDRESS_HTTP_CONNECTIONS": 2}
        factory = LiveHTTPFactory(SimpleNamespace(proxy_forwarded_address_header=None))
        one, other = IPv4Address("TCP", "192.0.2.1", 1), IPv4Address("TCP", "192.0.2.2", 1)
        first, second = factory.admit(one), factory.admit(one)
        assert first is not None
        assert second is not None
        assert factory.admit(one) is None
        assert factory.admit(other)
        first()
        assert factory.admit(one)

    def test_a_proxy_is_not_taken_for_a_client(self, settings: Settings) -> None:
        settings.REALTIME = {"MAX_ADDRESS_HTTP_CONNECTIONS": 1}
        factory = LiveHTTPFactory(SimpleNamespace(proxy_forwarded_address_header="X-Forwarded-For"))
        assert all(factory.admit(IPv4Address("TCP", "192.0.2.1", 1)) for _ in range(3))


def _is_served(server: ServerProcess) -> bool:
    with connect(server) as raw:
        raw.sendall(PAGE)
        return raw.recv(15) == b"HTTP/1.1 200 OK"


class TestRequestsThatBreakHttp:
    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(b"GET\r\n\r\n", id="a request line without a path"),
            pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", id="a header without a colon"),
            pytest.param(b"GET / HTTP/1.1\r\nno colon\r\nneither\r\nnor here\r\n\r\n", id="three of them"),
            pytest.param(b"GET /" + b"x" * 20_000, id="a line that is too long"),
            pytest.param(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 501 + b"\r\n", id="too many headers"),
        ],
    )
    def test_they_get_400_and_are_counted_once(self, data: bytes) -> None:
        with ServerProcess() as server:
            with connect(server) as raw:
                raw.sendall(data)
                assert read_to_end(raw) == b"HTTP/1.1 400 Bad Request\r\n\r\n"
            assert counts(server).get("requests_refused") == 1


class TestBodies:
    @pytest.mark.parametrize(
        "limit",
        [
            pytest.param({"BODY_GRACE": 0.3}, id="too slow"),
            pytest.param({"BODY_DEADLINE": 0.3, "MIN_BODY_RATE": 1}, id="too long in all"),
        ],
    )
    def test_a_body_that_comes_too_late_gets_408_and_the_end(self, limit: dict[str, float]) -> None:
        with ServerProcess(environment=limits(**limit)) as server:
            with connect(server) as raw:
                raw.sendall(POST + b"x" * 100)
                assert read_to_end(raw).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
            assert counts(server)["body_timeouts"] == 1

    def test_single_bytes_do_not_extend_the_time(self) -> None:
        with ServerProcess(environment=limits(BODY_GRACE=0.3)) as server, connect(server) as raw:
            raw.sendall(POST)
            raw.settimeout(0.02)
            answer = b""
            for _ in range(190):
                raw.sendall(b"x")
                try:
                    answer = raw.recv(12)
                    break
                except TimeoutError:
                    pass
            assert answer == b"HTTP/1.1 408"

    def test_what_has_come_gives_the_rest_more_time(self) -> None:
        with ServerProcess(environment=limits(BODY_GRACE=0.001, MIN_BODY_RATE=1)) as server, connect(server) as raw:
            raw.sendall(POST + b"x" * 100)  # a hundred seconds more
            assert server.get("/") == "hello"
            raw.sendall(b"x" * 100)
            assert raw.recv(15) == b"HTTP/1.1 200 OK"

    @pytest.mark.parametrize(("chunks", "status"), [(90, b"200"), (3_000, b"400")])
    def test_a_body_of_single_bytes_is_refused(self, chunks: int, status: bytes) -> None:
        with ServerProcess() as server, connect(server) as raw:
            raw.sendall(b"POST /length HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            raw.sendall(b"1\r\nx\r\n" * chunks + b"0\r\n\r\n")
            assert raw.recv(12) == b"HTTP/1.1 " + status
            assert counts(server).get("requests_refused", 0) == (status == b"400")


class TestResponses:
    def test_a_client_that_does_not_read_needs_little_memory_and_is_cut(self) -> None:
        with ServerProcess(environment=limits(STALL_TIMEOUT=0.5)) as server:
            before = int(server.get("/memory"))
            with connect(server) as raw:
                raw.sendall(b"GET /stream/unread HTTP/1.1\r\nHost: x\r\n\r\n")
                assert server.get("/board/unread") == "true"  # the application is not left waiting
            assert int(server.get("/memory")) - before < 20_000_000
            assert counts(server)["slow_http_readers"] == 1

    def test_a_client_that_does_not_read_the_end_is_cut_too(self) -> None:
        with ServerProcess(environment=limits(STALL_TIMEOUT=0.5)) as server, connect(server) as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            raw.sendall(b"GET /stream/closing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            until(lambda: counts(server).get("slow_http_readers") == 1)

    def test_a_client_that_reads_gets_everything(self) -> None:
        with ServerProcess() as server, connect(server) as raw:
            raw.sendall(b"GET /stream/read HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            size = 0
            while part := raw.recv(1_000_000):
                size += len(part)
            assert size > 200_000_000

    def test_an_idle_connection_is_closed(self) -> None:
        with (
            ServerProcess(environment=limits(KEEP_ALIVE_TIMEOUT=0.5)) as server,
            connect(server) as raw,
            RawClient(server.port, "/echo/open") as wire,
        ):
            raw.sendall(PAGE)
            assert read_to_end(raw).endswith(b"0\r\n\r\n")
            wire.send(frame(b"still open"))
            assert wire.receive() == Frame(TEXT, b"still open")
