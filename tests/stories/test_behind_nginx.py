"""Server processes behind nginx with the configuration of docs/nginx.conf: routing, client addresses, and its logs."""

import re
import ssl
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import Any

import pytest
from django.conf import settings as project
from django.contrib.auth.models import User
from django.test import Client as Browser

from executions.models import GraphExecution
from executions.services import report_node, share_execution
from tests.database import in_db
from tests.realtime.clients import PATIENCE, HandshakeRefused
from tests.servers import Nginx
from tests.servers.process import ROOT
from tests.stories.conftest import StartNginx
from tests.stories.doors import LiveServer, ProxyDoor, token_of
from tests.stories.test_base_protocol import watch
from tests.waiting import until_in_loop

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def ask(nginx: Nginx, path: str, *, source: str = "127.0.0.1", **headers: str) -> HTTPResponse:
    """The answer to a GET from this loopback address."""
    where: dict[str, Any] = {"timeout": PATIENCE, "source_address": (source, 0)}
    if nginx.is_tls:
        trusting = ssl._create_unverified_context()
        connection: HTTPConnection = HTTPSConnection(nginx.host, nginx.port, context=trusting, **where)
    else:
        connection = HTTPConnection(nginx.host, nginx.port, **where)
    with closing(connection):
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        return connection.getresponse()


def handshake(nginx: Nginx, *, path: str = "/ws", **headers: str) -> int:
    return ask(nginx, path, **UPGRADE, **headers).status


async def test_sockets_and_pages_pass_through_nginx(
    proxy_door: ProxyDoor, user: User, execution: GraphExecution
) -> None:
    client = await proxy_door.client(user)
    await watch(client, execution, after=1)
    await in_db(report_node)(execution, node_id="n", status="QUEUED")
    assert (await client.frame())["seq"] == 2
    assert ask(proxy_door.nginx, "/login/").status == 200


async def test_every_process_gets_sockets(proxy_door: ProxyDoor, pair: list[LiveServer], user: User) -> None:
    for _ in range(4):
        await proxy_door.client(user)
    for server in pair:
        assert server.output.count("WSCONNECT /ws") == 2


async def test_a_handshake_goes_to_a_living_process(proxy_door: ProxyDoor, pair: list[LiveServer], user: User) -> None:
    pair[0].kill()
    for _ in range(6):
        await (await proxy_door.client(user)).ping()
    await proxy_door.leave()
    nginx = proxy_door.nginx
    nginx.wait_until(lambda: nginx.access_log.count("/ws") == 6)  # nginx logs a socket when it has ended
    assert "502, 101" in nginx.access_log


async def test_without_a_living_process_the_handshake_is_refused_until_one_starts(
    proxy_door: ProxyDoor, pair: list[LiveServer], user: User
) -> None:
    for server in pair:
        server.kill()
    with pytest.raises(HandshakeRefused, match="502"):
        await proxy_door.client(user)
    pair[1].start()

    async def somebody_is_there() -> bool:
        try:
            await (await proxy_door.client(user)).ping()
        except HandshakeRefused:  # while nginx remembers that no process was there
            return False
        return True

    await until_in_loop(somebody_is_there)


async def test_no_token_is_logged(proxy_door: ProxyDoor, pair: list[LiveServer], user: User) -> None:
    token = token_of(user)
    await (await proxy_door.client(path=f"/ws?token={token}")).ping()
    await (await proxy_door.client(path=f"/ws/?token={token}")).ping()
    for server in pair:
        server.kill()
    for path in ("/ws", "/ws/", "/"):
        with pytest.raises(HandshakeRefused, match="502"):
            await proxy_door.client(path=f"{path}?token={token if path != '/' else 'none'}")
    nginx = proxy_door.nginx
    nginx.wait_until(lambda: nginx.access_log.count('"GET /ws') == 4)
    said = nginx.access_log + nginx.error_log + nginx.output + "".join(server.output for server in pair)
    assert token not in said
    assert '"GET /?token=none' in nginx.error_log  # of a page, whose request line may be logged


async def test_the_link_of_a_shared_run_is_not_logged(
    proxy_door: ProxyDoor, pair: list[LiveServer], execution: GraphExecution
) -> None:
    nginx, token = proxy_door.nginx, (await in_db(share_execution)(execution)).share_token
    await (await proxy_door.client(path=f"/ws?share={token}")).ping()
    assert ask(nginx, f"/shared/{token}/").status == 200
    await in_db(share_execution)(execution, is_shared=False)
    assert ask(nginx, f"/shared/{token}/results/").status == 404
    for server in pair:
        server.kill()
    assert ask(nginx, f"/shared/{token}/").status == 502
    nginx.wait_until(lambda: nginx.access_log.count('"GET /shared/"') == 3)
    assert token not in nginx.access_log + nginx.error_log + "".join(server.output for server in pair)


def test_the_server_sees_the_real_address_of_the_client(start_nginx: StartNginx, pair: list[LiveServer]) -> None:
    nginx = start_nginx()
    for _ in pair:
        ask(nginx, "/login/", source="127.0.0.2", X_Forwarded_For="203.0.113.7", Forwarded="for=203.0.113.7")
    said = "".join(server.output for server in pair)
    assert re.search(r"^127\.0\.0\.2:\d+ .*GET /login/", said, re.MULTILINE), said
    assert "203.0.113.7" not in said


@pytest.mark.parametrize(("tls", "own"), [(True, "https"), (False, "http")])
def test_the_server_sees_the_real_scheme_of_the_client(
    start_nginx: StartNginx, user: User, tls: bool, own: str
) -> None:
    """A session cookie opens a socket only from pages of this origin. A forged header of a client changes nothing."""
    nginx = start_nginx(tls=tls)
    browser = Browser()
    browser.force_login(user)
    cookie = f"{project.SESSION_COOKIE_NAME}={browser.cookies[project.SESSION_COOKIE_NAME].value}"
    for scheme in ("http", "https"):
        status = handshake(
            nginx, Cookie=cookie, Origin=f"{scheme}://{nginx.host}:{nginx.port}", X_Forwarded_Proto=scheme
        )
        assert status == (101 if scheme == own else 403)


def test_a_large_request_is_refused_by_nginx(start_nginx: StartNginx, pair: list[LiveServer]) -> None:
    nginx = start_nginx()
    assert ask(nginx, "/login/", Content_Length=str(4 * 1024 * 1024)).status == 413
    assert ask(nginx, "/login/", Cookie="c" * 70_000).status == 400
    assert "GET /login/" not in "".join(server.output for server in pair)


def test_plain_http_is_redirected_to_tls_and_its_token_is_not_logged(start_nginx: StartNginx, user: User) -> None:
    nginx, token = start_nginx(tls=True), token_of(user)
    with closing(HTTPConnection(nginx.host, nginx.plain_port, timeout=PATIENCE)) as connection:
        connection.request("GET", f"/ws?token={token}")
        answer = connection.getresponse()
    assert (answer.status, answer.headers["Location"]) == (301, f"https://{nginx.host}/ws?token={token}")
    assert token not in nginx.access_log + nginx.error_log


def test_the_systemd_unit_starts_the_server_of_these_tests(pair: list[LiveServer]) -> None:
    unit = (ROOT / "docs" / "runwire@.service").read_text()
    _, *words = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE)[1].split()  # type: ignore[index]
    assert [word.replace("%i", str(pair[0].port)) for word in words] == list(pair[0].command())[1:]


def test_logins_of_one_address_are_limited_and_the_form_is_not(start_nginx: StartNginx) -> None:
    nginx = start_nginx()

    def statuses(method: str, source: str, times: int) -> list[int]:
        found = []
        for _ in range(times):
            where = {"timeout": PATIENCE, "source_address": (source, 0)}
            with closing(HTTPConnection(nginx.host, nginx.port, **where)) as connection:
                connection.request(method, "/login/", headers={"Content-Length": "0"})
                found.append(connection.getresponse().status)
        return found

    assert set(statuses("POST", "127.0.0.3", 21)) == {403}  # without a CSRF token
    assert 429 in statuses("POST", "127.0.0.3", 20)
    assert statuses("POST", "127.0.0.4", 1) == [403]
    assert statuses("GET", "127.0.0.3", 3) == [200] * 3
