"""The query string, which may hold a token, is in no log."""

import socket
from urllib.error import HTTPError

import pytest

from tests.realtime.asgi_apps import MEGABYTE
from tests.realtime.raw_client import CLOSE, RawClient, frame
from tests.realtime.server_process import ServerProcess

pytestmark = pytest.mark.once

SECRET = "token=SECRET-in-the-query"


@pytest.mark.parametrize("verbosity", ["1", "2", "3"])
def test_the_query_string_is_in_no_log_on_any_path_through_the_server(verbosity: str) -> None:
    with ServerProcess("-v", verbosity, "--application-close-timeout", "0") as server:
        query = f"?{SECRET}"
        assert "SECRET" in server.get(f"/scope{query}")  # the application gets the query string
        for path in ("/", "/%3f/x", "/caf%C3%A9"):
            server.get(path + query)
        with pytest.raises(HTTPError) as raised:
            server.get(f"/raise{query}")
        raised.value.close()
        for path, data in (
            ("/echo/good", frame(b"x")),
            ("/echo/closes", frame(b"", CLOSE)),
            ("/echo/large", frame(MEGABYTE.encode())),
            ("/echo/utf8", frame(b"\xff")),
            ("/echo/unmasked", frame(b"x", masked=False)),
            ("/close/4001", b""),
            ("/close/1008", b""),
            ("/refuse", b""),
            ("/fail", b""),
            ("/accept-and-fail", b""),
            ("/subprotocol/nobody-offered", b""),
            ("/no-such-socket", b""),
            ("/never", b""),
        ):
            with RawClient(server.port, path + query) as wire:
                wire.send(data)
        for path, header in (
            (f"/echo/x{query}", "Sec-WebSocket-Version: 99"),  # the header is sent twice, so the values are joined
            (f"/echo/x{query}", "Origin: nonsense"),
            (f"/echo/x{query}#{query}", ""),
            (f"/echo/x{query}\x0c", ""),  # autobahn splits at it, so the request line has four words
            (f"//[broken/{query}", ""),  # not a URL
            (f"http://127.0.0.1/echo/x{query}", f"Referer: http://127.0.0.1/{query}"),
            (f"/echo/caf\u00e9{query}", ""),
            (f"/echo/x{query}\u00e9", ""),
        ):
            with RawClient(server.port, path, *filter(None, [header])) as wire:
                wire.send(b"x")
        with socket.create_connection(("127.0.0.1", server.port)) as raw:
            raw.sendall(f"GET /never{query} HTTP/1.1\r\nHost: x\r\nReferer: http://x/{query}\r\n\r\n".encode())
            server.get("/")
        server.wait_for("took too long to shut down")
        server.wait_for("<LiveRequest GET /never client=")
        with socket.create_connection(("127.0.0.1", server.port)) as raw:
            raw.sendall(f"GET /half{query} HTTP/1.1\r\nHost:".encode())
            server.get("/")
        server.stop()
    assert "/never" in server.output
    assert "SECRET" not in server.output


def test_the_access_log_keeps_the_path(server: ServerProcess) -> None:
    server.get(f"/some/page?{SECRET}")
    server.wait_for('"GET /some/page" 200')
    server.get("/shared/a-token_of-twenty-two-/results/")
    server.wait_for('"GET /shared/…/results/" 200')
    with RawClient(server.port, f"/echo/logged?{SECRET}"):
        server.wait_for('"WSCONNECT /echo/logged"')
