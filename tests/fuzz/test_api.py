"""Requests to the HTTP API, through its URLs: a documented answer, of one shape where it is an error, and never 500."""

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.http import HttpResponse
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.inputs import HOSTILE_TEXTS, json_bytes, json_values, near
from tests.fuzz.oracles import LONG_REPR, SLOW, no_logged_errors, rolled_back
from tests.fuzz.world import LINKS, NODES, World, make_world

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(180), LONG_REPR]

GRAPH = {"name": "x", "description": "", "nodes": NODES, "links": LINKS, "check_blocks": False}
REPORTS = [
    {
        "type": "execution",
        "execution_id": "EXECUTION",
        "status": "RUNNING",
        "stats": {"cost": 1},
        "outputs": {"a": [1]},
    },
    {"type": "node", "execution_id": "EXECUTION", "node_id": "rank", "status": "RUNNING", "input_data": {"a": 1}},
    {"type": "append", "execution_id": "EXECUTION", "node_id": "split", "outputs": {"a": [1]}},
]
START = {"graph_id": "GRAPH", "inputs": {"text": "One."}, "preset_id": None, "is_dry_run": False}
BODIES: dict[str, Any] = {
    "POST graphs": GRAPH,
    "PUT graphs/GRAPH": GRAPH,
    "POST executions": START | {"runner": ""},
    "POST worker/executions": START | {"username": "fuzz", "lease_seconds": 60},
    "POST worker/executions/EXECUTION/report": {"status": "FAILED", "error": "x", "stats": {"cost": 1}, "outputs": {}},
    "POST worker/executions/EXECUTION/nodes": {
        "node_id": "split",
        "block_id": "b",
        "status": "COMPLETED",
        "input_data": {"a": 1},
        "output_data": {"b": [1]},
        "node_exec_id": None,
    },
    "POST worker/executions/EXECUTION/nodes/outputs": {"node_id": "split", "outputs": {"a": [1]}},
    "POST worker/reports": {"reports": REPORTS},
}
READS = [
    *("graphs", "executions", "executions/EXECUTION/nodes", "notifications", "worker/executions"),
    *("graphs/GRAPH", "executions/EXECUTION", "executions/EXECUTION/events", "graphs/GRAPH/events"),
    *("notifications/events", "notifications/unread"),
]
PARAMETERS = ["limit", "cursor", "after", "epoch", "unread", "status", "graph_id", "q", "user_id", "runner"]
HEADERS = ["Idempotency-Key", "If-None-Match", "Content-Encoding", "Authorization", "Accept", "X-Forwarded-Host"]


def named(text: str, world: World) -> str:
    return text.replace("GRAPH", str(world.graph.pk)).replace("EXECUTION", str(world.execution.pk))


def check(response: HttpResponse) -> None:
    assert response.status_code < 500, response.content
    assert len(response.content) < 2**20
    if response.status_code >= 400:
        error = json.loads(response.content)
        assert list(error) == ["code", "message", "path", "hint"]
        assert error["code"]
        assert 0 < len(error["message"]) < 20_000
    elif response.content:
        json.loads(response.content)


def header_values() -> st.SearchStrategy[str]:
    return st.sampled_from(HOSTILE_TEXTS).filter(lambda text: text.isprintable() and text.isascii()) | st.just(
        "Bearer x"
    )


headers = st.dictionaries(st.sampled_from(HEADERS), header_values(), max_size=1)


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, bytes]:
    operation = draw(st.sampled_from(sorted(BODIES)))
    return operation, draw(json_bytes(st.one_of(near(BODIES[operation]), json_values)))


@SLOW
@given(cases(), headers)
def test_a_body_has_an_answer_and_an_error_changes_nothing(case: tuple[str, bytes], more: dict[str, str]) -> None:
    operation, body = case
    method, _, path = operation.partition(" ")
    answers = []
    with no_logged_errors(), rolled_back():
        world = make_world()
        is_worker = path.startswith("worker/")
        client = Client() if is_worker else world.person()
        credentials = {"Authorization": f"Bearer {world.secret}"} if is_worker else {}
        for _ in range(2):
            with rolled_back():
                answer = client.generic(
                    method,
                    f"/api/{named(path, world)}",
                    named(body.decode("latin-1"), world).encode("latin-1"),
                    content_type="application/json",
                    headers={**credentials, **more},
                )
                check(answer)
                answers.append((answer.status_code, answer.content if answer.status_code >= 400 else b""))
    assert answers[0] == answers[1]


@SLOW
@given(
    st.sampled_from(READS),
    st.dictionaries(st.sampled_from(PARAMETERS), st.sampled_from(HOSTILE_TEXTS) | st.text(max_size=30), max_size=2),
    headers,
)
def test_a_query_has_an_answer(path: str, parameters: dict[str, str], more: dict[str, str]) -> None:
    query = urlencode(parameters, errors="surrogatepass")
    with no_logged_errors(), rolled_back():
        world = make_world()
        client = Client() if path.startswith("worker/") else world.person()
        credentials = {"Authorization": f"Bearer {world.secret}"} if path.startswith("worker/") else {}
        check(client.get(f"/api/{named(path, world)}?{query}", headers={**credentials, **more}))


@SLOW
@given(st.sampled_from(["graphs/", "executions/", "notifications/", "worker/executions/"]), st.text(max_size=40))
def test_a_path_has_an_answer(prefix: str, rest: str) -> None:
    with no_logged_errors(), rolled_back():
        client = make_world().person()
        response = client.get(f"/api/{prefix}{quote(rest.encode('utf-8', 'surrogatepass'))}")
        assert response.status_code < 500
        if response.status_code >= 400:
            check(response)
