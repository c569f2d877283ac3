"""A body that is too long is refused early and needs little memory. With real servers."""

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

MAX_BYTES = DEFAULTS.MAX_BODY_BYTES
LENGTH = "Content-Length: {}\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def server(web_server: StartWebServer) -> WebServer:
    return web_server({"DEBUG": "true"})


def send_head(server: WebServer, head: str) -> socket.socket:
    client = socket.create_connection((server.host, server.port), timeout=30)
    client.sendall(f"POST /login/ HTTP/1.1\r\nHost: {server.host}\r\n{head}".encode())
    return client


def read_head(client: socket.socket) -> bytes:
    text = b""
    while b"\r\n\r\n" not in text and (part := client.recv(65536)):
        text += part
    return text


def peak_memory(server: WebServer) -> int:
    """The peak of the memory, in bytes."""
    assert server._process
    status = Path(f"/proc/{server._process.pid}/status")
    if not status.exists():
        pytest.skip("Only Linux has the peak memory of another process.")
    return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def test_a_body_with_a_too_large_content_length_is_refused_before_it_comes(server: WebServer) -> None:
    with send_head(server, LENGTH.format(MAX_BYTES + 1)) as client:
        assert read_head(client).startswith(b"HTTP/1.1 413 ")


def test_a_chunked_body_that_becomes_too_long_is_refused(server: WebServer) -> None:
    with send_head(server, CHUNKED) as client:
        for _ in range(MAX_BYTES // 65536 + 1):
            client.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n")
        assert read_head(client).startswith(b"HTTP/1.1 413 ")


def test_a_body_of_the_maximum_size_reaches_the_application(server: WebServer) -> None:
    with send_head(server, LENGTH.format(MAX_BYTES)) as client:
        client.sendall(b"a" * MAX_BYTES)
        assert read_head(client).startswith(b"HTTP/1.1 403 ")  # it has no CSRF token


@pytest.mark.parametrize("head", [LENGTH.format(10**12), CHUNKED])
def test_a_client_that_continues_to_send_is_cut_and_needs_no_memory(server: WebServer, head: str) -> None:
    before = peak_memory(server)
    sent = 0
    with send_head(server, head) as client, pytest.raises((ConnectionError, BrokenPipeError)):
        while sent < 10**12:
            client.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n")
            sent += 65536

    assert peak_memory(server) - before < 16 * MAX_BYTES
    with send_head(server, LENGTH.format(0)) as client:
        assert read_head(client).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize(
    ("name", "parameters"), [("gotLength", "self length"), ("handleContentChunk", "self data"), ("process", "self")]
)
def test_a_hook_of_twisted_exists_with_its_parameters(name: str, parameters: str) -> None:
    assert " ".join(inspect.signature(getattr(WebRequest, name)).parameters) == parameters
    assert name in vars(BoundedRequest)
