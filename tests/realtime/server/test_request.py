"""Requests that break HTTP, or that a proxy could read differently. The server shows its software nowhere."""

import json
import re
import socket
from contextlib import suppress

import pytest

from tests.realtime.raw_client import read_to_end
from tests.realtime.server_process import PATIENCE, ServerProcess, limits

pytestmark = pytest.mark.once

POST = "POST /length HTTP/1.1\r\nHost: x\r\n"
MANY = "a: b\r\n" * 1_000
LAST = "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
SMUGGLED = "GET /put/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


def ask(server: ServerProcess, data: str) -> bytes:
    """All that the server answers until it closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as raw:
        with suppress(ConnectionError):  # the server has closed, and did not read the rest
            raw.sendall(data.encode("latin-1"))
        return read_to_end(raw)


def statuses(answer: bytes) -> list[int]:
    return [int(each) for each in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(f"{POST}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", id="two lengths"),
        pytest.param(f"{POST}Content-Length: 3, 3\r\n\r\nabc", id="a list of lengths"),
        pytest.param(f"{POST}Content-Length: -3\r\n\r\nabc", id="a negative length"),
        pytest.param(f"{POST}Content-Length: +3\r\n\r\nabc", id="a length with a sign"),
        pytest.param(f"{POST}Content-Length: {'9' * 5_000}\r\n\r\nabc", id="a length of 5,000 digits"),
        pytest.param(f"{POST}Content-Length : 3\r\n\r\nabc", id="a space before the colon"),
        pytest.param(
            f"{POST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="length and chunked"
        ),
        pytest.param(
            f"{POST}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", id="chunked and length"
        ),
        pytest.param(f"{POST}Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc", id="identity and length"),
        pytest.param(f"{POST}Transfer-Encoding: identity\r\n\r\n", id="identity"),
        pytest.param(f"{POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", id="an unknown encoding"),
        pytest.param("POST /length HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="chunked in HTTP/1.0"),
        pytest.param(f"{POST}Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n", id="a negative chunk"),
        pytest.param(f"{POST}Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", id="a chunk with 0x"),
        pytest.param(f"{POST}Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", id="a chunk that is longer"),
        pytest.param(
            f"{POST}Transfer-Encoding: chunked\r\n\r\n3;{'a' * 5_000}\r\nabc\r\n0\r\n\r\n", id="a long extension"
        ),
        pytest.param("GET / HTTP/1.1\r\n Host: x\r\n\r\n", id="a space before the first header"),
        pytest.param("GET / HTTP/1.1\r\nHost: x\r\nX: a\nContent-Length: 3\r\n\r\nabc", id="a line feed in a value"),
        pytest.param("GET / HTTP/1.1\r\nHost: x\r\nX: \0\r\n\r\n", id="NUL in a value"),
        pytest.param("GET / HTTP/1.1\r\nHost: x\r\n(a): b\r\n\r\n", id="a name that is no token"),
        pytest.param("GET / HTTP/1.1\r\nHost: x\r\n\xe9: b\r\n\r\n", id="a name that is not ASCII"),
        pytest.param("GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", id="an empty name"),
        pytest.param("GET / HTTP/1.1\r\nHost: x\r\nab\r\n\r\n", id="no colon"),
        pytest.param("GET / HTTP/1.1\r\n\r\n", id="no host"),
        pytest.param("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", id="two hosts"),
        pytest.param(f"GET / HTTP/1.1\r\nHost: x\r\n{MANY}\r\n", id="a thousand headers"),
        pytest.param(f"GET / HTTP/1.1\r\nHost: x\r\na: {'b' * 20_000}\r\n\r\n", id="a large header"),
        pytest.param(f"GET /{'a' * 100_000} HTTP/1.1\r\nHost: x\r\n\r\n", id="a path of 100 KB"),
        pytest.param("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", id="NUL in the path"),
        pytest.param("GET /\xe9 HTTP/1.1\r\nHost: x\r\n\r\n", id="a path that is not ASCII"),
        pytest.param("GET /\x85 HTTP/1.1\r\nHost: x\r\n\r\n", id="a line end of Unicode in the path"),
        pytest.param("GET /#a HTTP/1.1\r\nHost: x\r\n\r\n", id="a fragment"),
        pytest.param("GET foo HTTP/1.1\r\nHost: x\r\n\r\n", id="a relative target"),
        pytest.param("GET http://a@b/ HTTP/1.1\r\nHost: x\r\n\r\n", id="a target with a user"),
        pytest.param("CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", id="a tunnel"),
        pytest.param("GET /\r\n", id="HTTP/0.9"),
        pytest.param("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
        pytest.param("GET / HTTP/1.2\r\nHost: x\r\n\r\n", id="HTTP/1.2"),
    ],
)
def test_a_request_that_breaks_http_gets_400_and_nothing_after_it_is_read(server: ServerProcess, data: str) -> None:
    answer = ask(server, data + SMUGGLED)
    found = statuses(answer)
    is_long = len(data) > 10_000  # the close may overtake the answer: the server has not read the rest
    assert found == [400] or (is_long and found == []), answer
    assert "smuggled" not in server.output
    assert "Traceback" not in server.output


@pytest.mark.parametrize(
    ("data", "body"),
    [
        pytest.param("GET / HTTP/1.0\r\n\r\n", b"hello", id="HTTP/1.0 without a host"),
        pytest.param("GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", b"hello", id="an escaped NUL"),
        pytest.param(
            f"{POST}Transfer-Encoding:\r\n chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"\r\n3\r\n", id="a folded header"
        ),
        pytest.param(f"{POST}X: a\r\n Content-Length: 3\r\n\r\n", b"\r\n0\r\n", id="a length in a folded header"),
        pytest.param(
            f"{POST}Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n", b"\r\n3\r\n", id="an extension"
        ),
        pytest.param(f"{POST}Content_Length: 3\r\n\r\n", b"\r\n0\r\n", id="an underscore in a name"),
        pytest.param(
            f"{POST}Content-Type: multipart/form-data\r\nContent-Length: 3\r\n\r\nabc", b"\r\n3\r\n", id="a bad form"
        ),
        pytest.param("GET /x HTTP/1.1\r\nHost: x\r\n\r\n" * 3, b"hello", id="requests in a pipeline"),
    ],
)
def test_an_unusual_request_is_served(server: ServerProcess, data: str, body: bytes) -> None:
    answer = ask(server, data + ("" if "HTTP/1.0" in data else LAST))
    assert statuses(answer) == [200] * (data.count("HTTP/1") + ("HTTP/1.0" not in data))
    assert body in answer
    assert "Traceback" not in server.output


def scope(server: ServerProcess, data: str) -> dict[str, str]:
    answer = ask(server, data.replace("Host: x\r\n", "Host: x\r\nConnection: close\r\n"))
    found: dict[str, str] = json.loads(answer[answer.index(b"{") : answer.rindex(b"}") + 1])
    return found


def test_the_authority_of_an_absolute_target_replaces_the_host(server: ServerProcess) -> None:
    found = scope(server, "GET HTTP://other:1/scope?a=b HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (found["path"], found["query_string"]) == ("'/scope'", "b'a=b'")
    assert "(b'host', b'other:1')" in found["headers"]


@pytest.mark.parametrize("value", ["/evil", "\xe9"])
def test_a_client_does_not_choose_the_root_path(server: ServerProcess, value: str) -> None:
    found = scope(server, f"GET /scope HTTP/1.1\r\nHost: x\r\nDaphne-Root-Path: {value}\r\n\r\n")
    assert found["root_path"] == "''"
    assert "evil" not in str(found)


def test_a_setting_lets_the_proxy_choose_the_root_path() -> None:
    with ServerProcess(environment=limits(TRUST_ROOT_PATH_HEADER=True)) as server:
        found = scope(server, "GET /scope HTTP/1.1\r\nHost: x\r\nDaphne-Root-Path: /live\r\n\r\n")
    assert found["root_path"] == "'/live'"


def test_a_proxy_header_that_is_not_ascii_is_refused() -> None:
    with ServerProcess("--proxy-headers") as server:
        assert statuses(ask(server, "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: \xe9\r\n\r\n")) == [400]
        assert "Traceback" not in server.output


@pytest.mark.parametrize("path", ["/", "/raise", "/\x85"])
def test_no_answer_names_the_software(server: ServerProcess, path: str) -> None:
    answer = ask(server, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").lower()
    for word in (b"server:", b"daphne", b"twisted", b"autobahn", b"python"):
        assert word not in answer
