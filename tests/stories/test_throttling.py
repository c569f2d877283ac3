"""Throttling with real parts: two server processes, Redis between them, a proxy's addresses, and Redis killed."""

import json
from contextlib import closing
from datetime import timedelta
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User

from realtime.auth.jwt import issue_token
from tests.conftest import StartWebServer
from tests.servers import Redis, WebServer

PROXY = ["--proxy-headers"]
TEN = 10  # LOGIN_FAILURES


@pytest.fixture
def pair(web_server: StartWebServer, redis_server: Redis) -> list[WebServer]:
    """Two processes behind a proxy, with one Redis."""
    return [web_server(options=PROXY, redis=redis_server) for _ in range(2)]


@pytest.fixture
def account(user: User) -> User:
    user.set_password("a password of user")
    user.save()
    return user


def ask(server: WebServer, method: str, path: str, body: str = "", **headers: str) -> HTTPResponse:
    """The answer, read to its end."""
    with closing(HTTPConnection(server.host, server.port, timeout=30)) as connection:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        answer.text = answer.read().decode()  # type: ignore[attr-defined]
        return answer


def login(server: WebServer, password: str, address: str, name: str = "user") -> HTTPResponse:
    """As a browser behind the proxy does it, with the CSRF cookie."""
    token = "a" * 32
    form = urlencode({"username": name, "password": password, "csrfmiddlewaretoken": token})
    kind = "application/x-www-form-urlencoded"
    cookie = f"csrftoken={token}"
    return ask(server, "POST", "/login/", form, Content_Type=kind, Cookie=cookie, X_Forwarded_For=address)


def test_two_processes_count_failed_logins_together(pair: list[WebServer], account: User) -> None:
    """The address is the proxy's word, so another one is not locked out."""
    answers = [login(pair[number % 2], "wrong", "203.0.113.7").status for number in range(TEN + 2)]
    assert answers == [200] * TEN + [429] * 2
    for server in pair:
        refusal = login(server, "a password of user", "203.0.113.7")
        assert refusal.status == 429
        assert 0 < int(refusal.headers["Retry-After"]) <= 300
        assert "Too many failed logins" in refusal.text  # type: ignore[attr-defined]
    assert login(pair[0], "a password of user", "203.0.113.8").status == 302


def test_without_trust_in_a_proxy_its_header_names_nobody(web_server: StartWebServer, account: User) -> None:
    server = web_server()
    answers = [login(server, "wrong", f"203.0.113.{number}").status for number in range(TEN + 1)]
    assert answers == [200] * TEN + [429]


def test_logins_go_on_while_redis_is_dead(pair: list[WebServer], redis_server: Redis, account: User) -> None:
    """Each process then counts for itself."""
    assert login(pair[0], "wrong", "203.0.113.7").status == 200
    redis_server.kill()
    answers = [login(pair[0], "wrong", "203.0.113.7").status for _ in range(TEN + 1)]
    assert answers == [200] * TEN + [429]
    assert login(pair[1], "a password of user", "203.0.113.7").status == 302


def test_a_flood_of_one_user_hinders_no_other(pair: list[WebServer], user: User, other_user: User) -> None:
    """Both processes together allow the budget of one window, or of two if a window ends during the test."""

    def graph_of(person: User, server: WebServer) -> tuple[int, Any]:
        token = issue_token(person.pk, timedelta(hours=1))
        kind = "application/json"
        answer = ask(server, "POST", "/api/graphs", "{", Authorization=f"Bearer {token}", Content_Type=kind)
        return answer.status, json.loads(answer.text)  # type: ignore[attr-defined]

    answers = [graph_of(user, pair[number % 2]) for number in range(3 * 50)]
    allowed = [status for status, _ in answers].count(400)
    refusals = [error for status, error in answers if status == 429]
    assert allowed + len(refusals) == len(answers)
    assert 50 <= allowed <= 100
    assert {error["code"] for error in refusals} == {"throttled"}
    assert {'REALTIME["USER_STARTS"]' in error["message"] for error in refusals} == {True}
    assert graph_of(other_user, pair[0])[0] == 400
