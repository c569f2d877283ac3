"""Requests for a WebSocket that are refused."""

import socket
from http.client import HTTPResponse

import pytest

from realtime.server.upgrade import find_refusal, is_upgrade
from tests.realtime.raw_client import RawClient
from tests.realtime.server_process import PATIENCE, ServerProcess

pytestmark = pytest.mark.once

HEADERS = {
    "Host": "x",
    "Connection": "keep-alive, Upgrade",
    "Upgrade": "WebSocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def ask(
    server: ServerProcess, headers: dict[str, str | None], line: str = "GET /echo/x HTTP/1.1", body: bytes = b""
) -> HTTPResponse:
    """The answer to a handshake with other headers. None leaves a header out."""
    lines = [f"{name}: {value}" for name, value in {**HEADERS, **headers}.items() if value is not None]
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as raw:
        raw.sendall("\r\n".join([line, *lines, "", ""]).encode("latin-1") + body)
        response = HTTPResponse(raw)
        response.begin()
        if response.status != 101:
            response.read()
        return response


@pytest.mark.parametrize(
    ("status", "headers", "line"),
    [
        pytest.param(101, {}, "GET /echo/x HTTP/1.1", id="a correct handshake"),
        pytest.param(101, {}, "GET http://elsewhere/echo/x HTTP/1.1", id="an absolute target"),
        pytest.param(400, {}, "GET /echo/x HTTP/1.0", id="HTTP/1.0"),
        pytest.param(405, {}, "POST /echo/x HTTP/1.1", id="another method"),
        pytest.param(400, {}, "GET //echo/x HTTP/1.1", id="a target that looks like a host"),
        pytest.param(400, {}, "GET /echo/x;y HTTP/1.1", id="parameters of the path"),
        pytest.param(400, {}, "GET /echo/x#y HTTP/1.1", id="a fragment"),
        pytest.param(400, {}, "GET /echo/x?\x85 HTTP/1.1", id="a query that is not ASCII"),
        pytest.param(400, {}, "GET /echo/\x85 HTTP/1.1", id="a path that is not ASCII"),
        pytest.param(426, {"Sec-WebSocket-Version": "8"}, None, id="an old version"),
        pytest.param(426, {"Sec-WebSocket-Version": "thirteen"}, None, id="no number as version"),
        pytest.param(426, {"Sec-WebSocket-Version": None}, None, id="no version"),
        pytest.param(400, {"Sec-WebSocket-Key": None}, None, id="no key"),
        pytest.param(400, {"Sec-WebSocket-Key": "c2hvcnQ="}, None, id="a short key"),
        pytest.param(400, {"Sec-WebSocket-Key": "!" * 24}, None, id="a key that is not Base64"),
        pytest.param(400, {"Connection": "keep-alive"}, None, id="no Connection: Upgrade"),
        pytest.param(400, {"Host": None}, None, id="no host"),
        pytest.param(400, {"Host": "x:y"}, None, id="no number as port"),
        pytest.param(200, {"Upgrade": "h2c"}, None, id="another protocol"),
        pytest.param(200, {"Upgrade": None}, None, id="no upgrade"),
        pytest.param(400, {"Sec-WebSocket-Protocol": "caf\xe9"}, None, id="a subprotocol that is not ASCII"),
        pytest.param(400, {"Sec-WebSocket-Protocol": "a, b c"}, None, id="a subprotocol with a space"),
        pytest.param(400, {"Sec-WebSocket-Protocol": "a,,b"}, None, id="an empty subprotocol"),
        pytest.param(400, {"Sec-WebSocket-Protocol": "a, a"}, None, id="a subprotocol twice"),
        pytest.param(
            *(101, {"Sec-WebSocket-Protocol": ",".join(f"p{number}" for number in range(1_000))}, None),
            id="a thousand subprotocols",
        ),
        pytest.param(
            *(101, {"Sec-WebSocket-Extensions": "permessage-deflate; server_max_window_bits=\xe9"}, None),
            id="an extension that nobody can parse",
        ),
        pytest.param(101, {"Cookie": "a=\xe9"}, None, id="a cookie that is not ASCII"),
        pytest.param(101, {"Origin": "http://\xe9"}, None, id="an origin that is not ASCII"),
        pytest.param(400, {"Origin": "nonsense"}, None, id="no origin"),
        pytest.param(400, {"Transfer-Encoding": "chunked"}, None, id="a chunked body"),
    ],
)
def test_a_handshake_gets_its_answer_without_a_traceback(
    server: ServerProcess, status: int, headers: dict[str, str | None], line: str | None
) -> None:
    answer = ask(
        server, headers, line or "GET /echo/x HTTP/1.1", b"0\r\n\r\n" if "Transfer-Encoding" in headers else b""
    )
    assert answer.status == status
    assert answer.headers["Server"] is None
    if status == 426:
        assert answer.reason == "Upgrade Required"
        assert answer.headers["Sec-WebSocket-Version"] == "13"
    if status == 405:
        assert answer.headers["Allow"] == "GET"
    assert answer.headers["Sec-WebSocket-Extensions"] is None
    assert "Traceback" not in server.output


def test_a_body_is_not_taken_for_frames(server: ServerProcess) -> None:
    assert ask(server, {"Content-Length": "3"}, body=b"\x81\x80\x00").status == 400


def test_the_subprotocols_of_the_scope_are_the_ones_that_can_be_accepted(server: ServerProcess) -> None:
    with RawClient(server.port, "/subprotocol/a%252Cb", "Sec-WebSocket-Protocol: a%2Cb, c") as wire:
        assert wire.status == 101
        assert "Sec-WebSocket-Protocol: a%2Cb\r\n" in wire.head


def test_a_correct_handshake_is_found_in_several_headers() -> None:
    headers = {each.lower().encode(): [HEADERS[each].encode()] for each in HEADERS}
    headers[b"connection"] = [b"keep-alive", b"close, upgrade"]

    def values(name: bytes) -> list[bytes]:
        return headers.get(name.lower(), [])

    assert is_upgrade(values)
    assert find_refusal(b"GET", b"/ws", b"HTTP/1.1", values) is None
    headers[b"sec-websocket-key"] *= 2
    assert find_refusal(b"GET", b"/ws", b"HTTP/1.1", values) is not None
