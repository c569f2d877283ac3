"""Session cookies, bearer tokens of users and tokens of workers."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from realtime.auth.jwt import issue_token
from tests.executions.api.conftest import ApiClient, ok, refused

GRAPH = {"name": "Text", "nodes": [{"id": "split", "block_id": "text.sentences"}]}


def test_a_request_without_credentials_is_refused(db: None) -> None:
    answer = ApiClient().get("/graphs")
    assert refused(answer, 401)["code"] == "unauthorized"
    assert answer["WWW-Authenticate"] == "Bearer"


def test_an_unsafe_request_with_a_cookie_needs_a_csrf_token(user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    page = ApiClient(client)
    ok(page.get("/graphs"))
    assert refused(page.post("/graphs", GRAPH), 403)["code"] == "csrf_failed"
    client.get("/executions/start/")
    csrf_token = client.cookies["csrftoken"].value
    ok(page.post("/graphs", GRAPH, X_CSRFToken=csrf_token), 201)


def test_a_cookie_with_a_null_character_is_refused(db: None) -> None:
    refused(Client().get("/api/graphs", headers={"Cookie": 'sessionid="a\\000b"'}), 401)


def test_a_bearer_token_needs_no_csrf_token(user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    ok(ApiClient(client, issue_token(user.pk, timedelta(hours=1))).post("/graphs", GRAPH), 201)


def test_an_invalid_bearer_token_does_not_fall_back_to_the_cookie(person: ApiClient) -> None:
    refused(person.get("/graphs", Authorization="Bearer nonsense"), 401)
    refused(person.get("/graphs", Authorization="Basic YTpi"), 401)


def test_a_workers_token_does_not_act_as_a_user(worker: ApiClient) -> None:
    refused(worker.get("/graphs"), 401)


@pytest.mark.parametrize("token", [None, "wrong", "rwk_", "\u00e9"], ids=["none", "wrong", "empty", "not ASCII"])
def test_a_report_without_a_valid_token_is_refused(run: str, token: str | None) -> None:
    answer = ApiClient(token=token).post(f"{run}/report", {"status": "RUNNING"})
    assert refused(answer, 401)["code"] == "unauthorized"
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_session_of_a_person_cannot_report(person: ApiClient, run: str) -> None:
    refused(person.post(f"{run}/report", {"status": "RUNNING"}), 401)
