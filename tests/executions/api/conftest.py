"""Fixtures of the API tests: clients of a person and of a worker, which send and read JSON."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client

from executions.api.worker_tokens import create_token
from executions.models import Graph, WorkerToken

Json = dict[str, Any]


class ApiClient:
    """Sends JSON requests below `/api`, with its own headers."""

    def __init__(self, client: Client | None = None, token: str | None = None) -> None:
        self.client = client or Client()
        self.headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def send(self, method: str, path: str, data: Any = None, **headers: str) -> HttpResponse:
        body = b"" if data is None else data if isinstance(data, bytes) else json.dumps(data).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.generic(
            method, f"/api{path}", body, content_type="application/json", headers={**self.headers, **named}
        )

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self.send("GET", path, **headers)

    def post(self, path: str, data: Any = None, **headers: str) -> HttpResponse:
        return self.send("POST", path, data, **headers)

    def put(self, path: str, data: Any) -> HttpResponse:
        return self.send("PUT", path, data)

    def delete(self, path: str) -> HttpResponse:
        return self.send("DELETE", path)


def ok(response: HttpResponse, status: int = 200) -> Any:
    """The JSON body of an answer with the expected status."""
    assert response.status_code == status, response.content
    return json.loads(response.content) if response.content else None


def refused(response: HttpResponse, status: int) -> Json:
    """The body of an error answer with the expected status. Checks that it has the one shape."""
    error: Json = ok(response, status)
    assert list(error) == ["code", "message", "path", "hint"]
    assert error["code"]
    assert error["message"]
    return error


def client_of(user: User) -> ApiClient:
    client = Client()
    client.force_login(user)
    return ApiClient(client)


@pytest.fixture
def person(user: User) -> ApiClient:
    """`user`, logged in."""
    return client_of(user)


@pytest.fixture
def stranger(other_user: User) -> ApiClient:
    return client_of(other_user)


@pytest.fixture
def token(db: None) -> WorkerToken:
    return create_token("press")[0]


@pytest.fixture
def secret(db: None) -> str:
    return create_token("press")[1]


@pytest.fixture
def worker(secret: str) -> ApiClient:
    """The worker “press”."""
    return ApiClient(token=secret)


@pytest.fixture
def run(worker: ApiClient, graph: Graph, user: User) -> str:
    """The path of an execution that the worker has made for `user`."""
    made = ok(worker.post("/worker/executions", {"user_id": str(user.pk), "graph_id": str(graph.pk)}), 201)
    return f"/worker/executions/{made['id']}"
