"""A handshake with a foreign Host, as of a page whose domain was rebound to the server, under every server."""

import socket

import pytest
from django.contrib.auth.models import User

from tests.stories.doors import Servers, token_of

KEY = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


def status_of(port: int, head: str) -> int:
    """The status that the server answers to a handshake with these lines."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(f"GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{KEY}{head}\r\n".encode())
        return int(client.makefile("rb").readline().split()[1])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("program", ["runwire", "daphne", "uvicorn"])
def test_a_handshake_with_a_foreign_or_missing_host_is_refused(servers: Servers, user: User, program: str) -> None:
    port = servers.get(program).port
    token = f"Authorization: Bearer {token_of(user)}\r\n"
    assert status_of(port, f"Host: 127.0.0.1:{port}\r\n{token}") == 101
    for foreign in (f"Host: elsewhere.example:{port}\r\n", "Host: 127.0.0.1.elsewhere.example\r\n", "Host:\r\n", ""):
        assert status_of(port, foreign + token) in (400, 403), foreign
