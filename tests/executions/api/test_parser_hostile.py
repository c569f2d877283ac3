"""Hostile bodies at each operation that takes one: a clear refusal, no traceback, and nothing changed."""

import gzip
import json
import logging
import tracemalloc
from typing import Any

import pytest
from django.contrib.auth.models import User

from executions.models import Graph, GraphExecution, NodeExecution
from executions.validation import MAX_ERRORS
from tests.executions.api.conftest import ApiClient, Json, refused

pytestmark = pytest.mark.django_db

NAMES = b",".join(b'"k%d":0' % number for number in range(95_000))

# What takes the place of a value. None is a body that is all of this.
HOSTILE: dict[str, bytes] = {
    "empty objects": b"[" + b"{}," * 680_000 + b"{}]",
    "empty lists": b"[" + b"[]," * 600_000 + b"1]",
    "numbers": b"[" + b"1000," * 399_999 + b"1]",
    "many keys": b"{" + b",".join(b'"%d":0' % number for number in range(110_000)) + b"}",
    "the same key": b"{" + b'"a":0,' * 300_000 + b'"a":0}',
    "lists in lists": b"[" * 10_000 + b"]" * 10_000,
    "objects in objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "open brackets": b"[" * 1_900_000,
    "a huge integer": b"9" * 1_000_000,
    "a negative huge integer": b"-" + b"9" * 1_000_000,
    "a huge exponent": b"[1e999999999]",
    "NaN": b"[NaN]",
    "a lone surrogate": b'["\\ud800"]',
    "NUL": b'{"a\\u0000": 1}',
    "a raw NUL": b'["\0"]',
    "not UTF-8": b'["\xff"]',
    "nested 300": b"[" * 300 + b"]" * 300,
}


@pytest.fixture
def operations(run: str, graph: Graph, user: User) -> dict[str, bytes]:
    """Method, path → a body with HOSTILE in a field that takes any JSON, or a list."""
    id = run.rsplit("/", 1)[1]
    bodies: dict[str, Any] = {
        "POST /graphs": {"name": "x", "nodes": [{"id": "a", "block_id": "b", "input_default": {"a": "HERE"}}]},
        "POST /graphs links": {"name": "x", "nodes": [], "links": "HERE"},
        "POST /graphs nodes": {"name": "x", "nodes": "HERE"},
        "POST /graphs unknown": {"name": "x", "nodes": [], "unknown": "HERE"},
        f"PUT /graphs/{graph.pk}": {"name": "x", "nodes": [{"id": "a", "block_id": "b", "input_default": "HERE"}]},
        "POST /executions": {"graph_id": str(graph.pk), "runner": "", "inputs": {"a": "HERE"}},
        "POST /executions preset": {"graph_id": str(graph.pk), "preset_id": "HERE"},
        "POST /worker/executions": {"user_id": str(user.pk), "graph_id": str(graph.pk), "inputs": {"a": "HERE"}},
        f"POST {run}/report": {"status": "RUNNING", "outputs": {"a": ["HERE"]}},
        f"POST {run}/report stats": {"status": "RUNNING", "stats": {"extra": "HERE"}},
        f"POST {run}/nodes": {"node_id": "n", "status": "RUNNING", "input_data": {"a": "HERE"}},
        f"POST {run}/nodes output": {"node_id": "n", "status": "RUNNING", "output_data": {"a": ["HERE"]}},
        f"POST {run}/nodes/outputs": {"node_id": "n", "outputs": {"a": ["HERE"]}},
        "POST /worker/reports": {
            "reports": [{"type": "execution", "execution_id": id, "status": "RUNNING", "outputs": {"a": ["HERE"]}}]
        },
        "POST /worker/reports list": {"reports": "HERE"},
        "POST /worker/reports whole": "HERE",
    }
    return {name: json.dumps(body).encode() for name, body in bodies.items()}


def send(person: ApiClient, worker: ApiClient, operation: str, body: bytes) -> Any:
    method, path = operation.split(" ")[:2]
    return (worker if path.startswith("/worker") else person).send(method, path, body)


def rows() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Graph, GraphExecution, NodeExecution)]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_each_operation_refuses_it_and_changes_nothing(
    person: ApiClient,
    worker: ApiClient,
    operations: dict[str, bytes],
    hostile: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = rows()
    for operation, body in operations.items():
        answer = send(person, worker, operation, body.replace(b'"HERE"', HOSTILE[hostile]))
        assert answer.status_code in (400, 413, 422), operation
        error: Json = refused(answer, answer.status_code)
        assert len(answer.content) < 2_000, operation
        assert error["hint"]
    assert rows() == before
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/graphs", b'{"name":"x","nodes":[{%s}]}' % NAMES),
        ("/graphs", b'{"name":"x","nodes":[],"links":[{%s}]}' % NAMES),
        ("/graphs", b'{"name":"x","nodes":[],%s}' % NAMES),
        ("/graphs", b'{"name":"x","nodes":[' + b"{}," * 49_000 + b"{}]}"),
        ("/graphs", b'{"name":"x","nodes":[' + b"0," * 99_000 + b"0]}"),
        ("/worker/reports", b'{"reports":[' + b"0," * 99_000 + b"0]}"),
        ("/worker/reports", b'{"reports":[' + b"0," * 999 + b"0]}"),
        ("/worker/reports", b'{"reports":[{"type":"%s"}]}' % (b"x" * 900_000)),
        ("/worker/reports", b'{"reports":[{"type":"execution","status":"RUNNING","outputs":{%s}}]}' % NAMES),
        ("/graphs", b'{"%s":1}' % (b"k" * 900_000)),
        ("/graphs", b'{"name":"%s","nodes":[]}' % (b"k" * 900_000)),
        ("/graphs", b'{"name":"x","nodes":[{"id":"%s","block_id":"x"}]}' % (b"k" * 900_000)),
    ],
    ids=lambda value: f"{value[:50]!r}" if isinstance(value, bytes) else value,
)
def test_errors_are_few_and_repeat_no_large_input(
    person: ApiClient, worker: ApiClient, path: str, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    client = worker if path.startswith("/worker") else person
    client.post(path, b"{}")  # imports
    tracemalloc.start()
    try:
        answer = client.post(path, body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    error = refused(answer, 422)
    assert len(answer.content) < 2_000
    assert error["message"].count("; ") <= MAX_ERRORS
    assert peak < 35_000_000  # bytes: the parsed body, a checked copy of it, and its text
    assert not [record for record in caplog.records if record.exc_info]


def test_a_body_of_another_encoding_is_refused(person: ApiClient) -> None:
    body = b'{"name": "x", "nodes": []}'
    answer = person.post("/graphs", gzip.compress(body), Content_Encoding="gzip")
    assert refused(answer, 415)["hint"] == "Send it without Content-Encoding."
    for text in (body.decode().encode("utf-16"), body.decode().encode("utf-8-sig"), gzip.compress(body)):
        assert refused(person.post("/graphs", text), 400)["code"] == "not_json"
    assert not Graph.objects.exists()


def test_a_query_of_many_fields_is_refused(person: ApiClient) -> None:
    assert refused(person.get("/graphs?" + "a=1&" * 1_500), 400)["code"] == "bad_request"
    for query in ("limit=" + "9" * 10_000, "cursor=" + "x" * 10_000, "limit=1e9", "cursor=%00", "limit=%ff"):
        assert len(person.get(f"/graphs?{query}").content) < 2_000
        refused(person.get(f"/graphs?{query}"), 422)
