"""Whose request it is: the address, or the user whose credentials Django has accepted behind a loopback address."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from executions.api.worker_tokens import create_token
from realtime.auth.jwt import issue_token
from realtime.http import client_identity
from realtime.http.client_identity import Remembered, client_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _remembers_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_identity, "_remembered", Remembered())


@pytest.fixture
def someone() -> User:
    return User.objects.create_user("someone")


def scope(address: str | None = "127.0.0.1", **headers: str) -> dict[str, Any]:
    client = [address, 1] if address else None
    return {"client": client, "headers": [(name.encode(), value.encode()) for name, value in headers.items()]}


def test_an_address_says_whose_it_is() -> None:
    assert client_of(scope("192.0.2.1", cookie="sessionid=x", authorization="Bearer x")) == "192.0.2.1"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", None])  # None: a UNIX socket
def test_a_session_is_known_once_a_page_has_accepted_it(someone: User, address: str | None) -> None:
    client = Client()
    client.force_login(someone)
    request = scope(address, cookie=f"a=b; sessionid={client.cookies['sessionid'].value}", authorization="Basic x")
    assert client_of(request) is None
    client.get("/")
    assert client_of(request) == ("auth.User", someone.pk)


def test_all_sessions_and_tokens_of_a_user_are_one_client(someone: User) -> None:
    session, token = Client(), f"Bearer {issue_token(someone.pk, timedelta(hours=1), scope='api')}"
    session.force_login(someone)
    assert session.get("/api/graphs").status_code == 200
    assert Client().get("/api/graphs", headers={"Authorization": token}).status_code == 200
    by_session = scope(cookie=f"sessionid={session.cookies['sessionid'].value}")
    assert client_of(scope(authorization=token)) == client_of(by_session) == ("auth.User", someone.pk)


def test_a_worker_is_known_by_its_token() -> None:
    row, token = create_token("builder")
    Client().get("/api/worker/executions", headers={"Authorization": f"Bearer {token}"})
    assert client_of(scope(authorization=f"Bearer {token}")) == ("executions.WorkerToken", row.pk)


def test_invented_credentials_are_nobody() -> None:
    invented = Client()
    invented.cookies["sessionid"] = "invented"
    invented.get("/")
    assert invented.get("/api/graphs", headers={"Authorization": "Bearer invented"}).status_code == 401
    assert client_of(scope(cookie="sessionid=invented", authorization="Bearer invented")) is None
    assert client_of(scope()) is None


def test_the_credentials_that_were_remembered_first_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_identity, "MAX_REMEMBERED", 2)
    remembered = Remembered()
    for credential in ("one", "two", "one", "three"):
        remembered.add(credential, credential)
    assert [remembered.find(each) for each in ("one", "two", "three", "", None)] == ["one", None, "three", None, None]
