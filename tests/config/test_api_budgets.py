"""Budgets of the HTTP API: which request is charged to which, and what a refused one gets and costs."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from config.api import api
from config.api_budgets import SPECIAL, path_of
from executions.api.worker_tokens import create_token
from executions.models import Graph, GraphExecution
from realtime.auth.jwt import SOCKET_SCOPE, issue_token
from realtime.metrics import counts

pytestmark = pytest.mark.django_db

GRAPH = {"name": "Text", "nodes": [{"id": "split", "block_id": "text.sentences"}]}
LIMITS = ("USER_READS", "USER_WRITES", "USER_STARTS", "WORKER_READS", "WORKER_WRITES", "WORKER_STARTS", "SOCKET_TOKENS")


@pytest.fixture(autouse=True)
def _limits(settings: Settings) -> None:
    settings.REALTIME = {**dict.fromkeys(LIMITS, 2), "API_WINDOW": 86_400}  # no window ends during a test


def send(method: str, path: str, token: str, body: Any = None) -> HttpResponse:
    data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
    headers = {"Authorization": f"Bearer {token}"}
    return Client().generic(method, f"/api{path}", data, content_type="application/json", headers=headers)


@pytest.fixture
def person(user: User) -> str:
    return issue_token(user.pk, timedelta(hours=1))


@pytest.fixture
def graph(user: User) -> Graph:
    return Graph.objects.create(owner=user, name="Text", nodes=GRAPH["nodes"])


@pytest.fixture
def worker(db: None) -> str:
    return create_token("press")[1]


Request = Callable[[], HttpResponse]


@pytest.fixture
def requests(user: User, person: str, worker: str, graph: Graph) -> dict[str, Request]:
    """A request for each budget."""
    run = GraphExecution.objects.create(graph=graph, user=user)
    socket = issue_token(user.pk, timedelta(hours=1), scope=SOCKET_SCOPE, auth_time=None)
    start = {"user_id": str(user.pk), "graph_id": str(graph.pk)}
    return {
        "USER_READS": lambda: send("GET", "/executions", person),
        "USER_WRITES": lambda: send("POST", "/notifications/read", person),
        "USER_STARTS": lambda: send("POST", "/graphs", person, GRAPH),
        "WORKER_READS": lambda: send("GET", "/worker/executions", worker),
        "WORKER_WRITES": lambda: send("POST", f"/worker/executions/{run.pk}/heartbeat", worker),
        "WORKER_STARTS": lambda: send("POST", "/worker/executions", worker, start),
        "SOCKET_TOKENS": lambda: send("POST", "/socket-token/refresh", socket),
    }


@pytest.mark.parametrize("limit", LIMITS)
def test_a_request_over_its_budget_is_refused(requests: dict[str, Request], limit: str) -> None:
    """It names the limit, and the other budgets are untouched."""
    assert 429 not in [requests[limit]().status_code for _ in range(2)]
    counter = "throttled_tokens" if limit == "SOCKET_TOKENS" else "throttled_requests"
    before = counts().get(counter, 0)
    answer = requests[limit]()
    error = json.loads(answer.content)
    assert (answer.status_code, error["code"]) == (429, "throttled")
    assert f'REALTIME["{limit}"]' in error["message"]
    assert list(error) == ["code", "message", "path", "hint"]
    assert 0 < int(answer["Retry-After"]) <= 86_400
    assert counts()[counter] == before + 1
    for other in set(LIMITS) - {limit}:
        assert requests[other]().status_code != 429, other


@pytest.mark.parametrize("limit", LIMITS)
def test_zero_switches_a_budget_off(requests: dict[str, Request], settings: Settings, limit: str) -> None:
    settings.REALTIME = {**settings.REALTIME, limit: 0}
    assert 429 not in [requests[limit]().status_code for _ in range(6)]


def test_users_have_budgets_of_their_own(person: str, other_user: User) -> None:
    other = issue_token(other_user.pk, timedelta(hours=1))
    assert [send("GET", "/executions", person).status_code for _ in range(3)] == [200, 200, 429]
    assert send("GET", "/executions", other).status_code == 200


def test_workers_have_budgets_of_their_own(worker: str) -> None:
    other = create_token("mill")[1]
    assert [send("GET", "/worker/executions", worker).status_code for _ in range(3)] == [200, 200, 429]
    assert send("GET", "/worker/executions", other).status_code == 200


def test_a_session_and_a_token_of_a_user_share_a_budget(person: str, user: User) -> None:
    client = Client()
    client.force_login(user)
    assert [client.get("/api/executions").status_code for _ in range(2)] == [200, 200]
    assert send("GET", "/executions", person).status_code == 429


def test_a_refused_request_is_not_parsed(person: str) -> None:
    bad = b"{"
    assert [send("POST", "/graphs", person, bad).status_code for _ in range(3)] == [400, 400, 429]


def test_a_refused_request_reads_the_token_and_nothing_else(
    requests: dict[str, Request], django_assert_num_queries: Any
) -> None:
    for limit in LIMITS:
        while requests[limit]().status_code != 429:
            pass
        with django_assert_num_queries(1):
            requests[limit]()


def test_a_request_without_valid_credentials_is_charged_to_nobody(person: str) -> None:
    assert [send("GET", "/executions", "nonsense").status_code for _ in range(5)] == [401] * 5
    assert send("GET", "/executions", person).status_code == 200


def test_each_operation_with_a_budget_of_its_own_exists() -> None:
    """A renamed path would fall into another budget without a word."""
    paths = {path_of(str(pattern.pattern)) for pattern in api.urls[0]}
    assert [path for _, path in SPECIAL if path not in paths] == []


def test_every_operation_describes_the_refusal(client: Client) -> None:
    described = client.get("/api/openapi.json").json()
    without = [
        operation["operationId"]
        for path in described["paths"].values()
        for operation in path.values()
        if "429" not in operation["responses"]
    ]
    assert without == []
