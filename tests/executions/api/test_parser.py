"""Request bodies: content type, size, JSON and storable values."""

import json

import pytest
from pytest_django import Settings

from executions.api import parser
from tests.executions.api.conftest import ApiClient, refused


def test_a_body_must_be_json(person: ApiClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = person.client.post("/api/graphs", b'{"name": "x", "nodes": []}', content_type=kind)
        assert refused(answer, 415)["hint"] == "Send the header Content-Type: application/json."


def test_a_large_body_is_refused(worker: ApiClient, run: str, settings: Settings) -> None:
    settings.EXECUTIONS = {"MAX_BODY_BYTES": 1_000}
    assert refused(worker.post(f"{run}/report", {"status": "RUNNING", "error": "x" * 1_000}), 413)["hint"]
    settings.EXECUTIONS = {}
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    refused(worker.post(f"{run}/report", {"status": "RUNNING", "error": "x" * 1_000}), 413)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"", 422),
        (b"\xff", 400),
        (b"[" * 50_000, 400),
        (b'{"status": ' + b"9" * 5_000 + b"}", 400),
        (b"NaN", 422),
        (b"[]", 422),
        (b'{"status": "RUNNING", "outputs": {"a": [1e999]}}', 422),
        (b'{"status": "RUNNING", "outputs": {"a": ' + b"[" * 300 + b"]" * 300 + b"}}", 422),
        (b'{"\\u0000": 1}', 422),
        (json.dumps({"status": "RUNNING", "stats": {"cost": 10**400}}).encode(), 200),
    ],
    ids=["cut", "nothing", "not UTF-8", "deep", "huge number", "NaN", "a list", "infinity", "too deep", "NUL", "large"],
)
def test_invalid_bodies_are_refused_and_never_a_server_error(
    worker: ApiClient, run: str, body: bytes, status: int
) -> None:
    answer = worker.post(f"{run}/report", body)
    assert answer.status_code == status, answer.content
    if status != 200:
        refused(answer, status)


def test_the_fields_of_a_large_body_are_checked_together(person: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check of each costs more than all the rest: 0.5 s for 99,000 fields."""
    checked: list[str] = []
    check = parser.check_plain
    monkeypatch.setattr(parser, "check_plain", lambda name, value: [checked.append(name), check(name, value)])
    error = refused(person.post("/graphs", {f"field{number}": 1 for number in range(5_000)}), 422)
    assert "it has 5000 fields" in error["message"]
    assert checked == ["body"]
