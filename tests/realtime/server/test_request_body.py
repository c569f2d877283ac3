"""A body that is too long is refused while it comes in, and little is kept of it. With real servers."""

import inspect
import socket
from pathlib import Path

import pytest
from daphne.http_protocol import WebRequest

from realtime.conf import DEFAULTS
from realtime.server.request_body import BoundedRequest
from tests.conftest import StartWebServer
from tests.servers import WebServer

pytestmark = pytest.mark.django_db(transaction=True)

MOST = DEFAULTS.MAX_BODY_BYTES
LENGTH = "Content-Length: {}\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def server(web_server: StartWebServer) -> WebServer:
    return web_server({"DEBUG": "true"})


def connected(server: WebServer, head: str) -> socket.socket:
    client = socket.create_connection((server.host, server.port), timeout=30)
    client.sendall(f"POST /login/ HTTP/1.1\r\nHost: {server.host}\r\n{head}".encode())
    return client


def answer(client: socket.socket) -> bytes:
    text = b""
    while b"\r\n\r\n" not in text and (part := client.recv(65536)):
        text += part
    return text


def memory_of(server: WebServer) -> int:
    """Bytes, the most that there were."""
    assert server._process
    status = Path(f"/proc/{server._process.pid}/status")
    if not status.exists():
        pytest.skip("The memory of a process can be looked at on Linux only.")
    return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def test_a_body_that_says_that_it_is_too_long_is_refused_before_it_comes(server: WebServer) -> None:
    with connected(server, LENGTH.format(MOST + 1)) as client:
        assert answer(client).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_turns_out_to_be_too_long_is_refused(server: WebServer) -> None:
    with connected(server, CHUNKED) as client:
        for _ in range(MOST // 65536 + 1):
            client.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n")
        assert answer(client).startswith(b"HTTP/1.1 413 ")


def test_a_body_of_the_most_that_is_allowed_reaches_the_application(server: WebServer) -> None:
    with connected(server, LENGTH.format(MOST)) as client:
        client.sendall(b"a" * MOST)
        assert answer(client).startswith(b"HTTP/1.1 403 ")  # there is no CSRF token in it


@pytest.mark.parametrize("head", [LENGTH.format(10**12), CHUNKED])
def test_a_client_that_goes_on_is_cut_off_and_fills_no_memory(server: WebServer, head: str) -> None:
    before = memory_of(server)
    sent = 0
    with connected(server, head) as client, pytest.raises((ConnectionError, BrokenPipeError)):
        while sent < 10**12:
            client.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n")
            sent += 65536

    assert memory_of(server) - before < 16 * MOST
    with connected(server, LENGTH.format(0)) as client:
        assert answer(client).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize(
    ("name", "parameters"), [("gotLength", "self length"), ("handleContentChunk", "self data"), ("process", "self")]
)
def test_a_hook_of_twisted_is_where_it_was(name: str, parameters: str) -> None:
    assert " ".join(inspect.signature(getattr(WebRequest, name)).parameters) == parameters
    assert name in vars(BoundedRequest)
