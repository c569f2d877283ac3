"""Repeats that do no harm."""

import threading
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from executions.api.idempotency import Answer, Done, KeyReused, answer_once, fingerprint
from executions.api.worker_tokens import create_token
from executions.models import Graph, GraphExecution, IdempotentAnswer, WorkerToken
from tests.executions.api.conftest import ApiClient, ok, refused
from tests.executions.conftest import InThread, wait_for_blocked_transaction

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def secret(transactional_db: None) -> str:
    return create_token("press")[1]


@pytest.fixture
def token(secret: str) -> WorkerToken:
    return WorkerToken.objects.get()


@pytest.fixture
def wanted(graph: Graph, user: User) -> dict[str, str]:
    return {"user_id": str(user.pk), "graph_id": str(graph.pk)}


def once(token: WorkerToken, key: str, request: str, work: Callable[[], Done]) -> Answer:
    return answer_once(token, key, request, work, lambda pk: f"row {pk}")


def test_a_repeat_gets_the_first_answer_and_changes_nothing(secret: str, wanted: dict[str, str]) -> None:
    worker = ApiClient(token=secret)
    first = worker.post("/worker/executions", wanted, Idempotency_Key="k1")
    again = worker.post("/worker/executions", wanted, Idempotency_Key="k1")
    assert (again.status_code, again.content) == (201, first.content)
    assert (first.has_header("Idempotent-Replayed"), again["Idempotent-Replayed"]) == (False, "true")
    other = ok(worker.post("/worker/executions", wanted, Idempotency_Key="k2"), 201)
    assert other["id"] != ok(first, 201)["id"]
    assert GraphExecution.objects.count() == 2


def test_the_same_key_with_another_request_is_refused(secret: str, wanted: dict[str, str]) -> None:
    worker = ApiClient(token=secret)
    ok(worker.post("/worker/executions", wanted, Idempotency_Key="k1"), 201)
    error = refused(worker.post("/worker/executions", {**wanted, "preset_id": "p"}, Idempotency_Key="k1"), 422)
    assert (error["code"], error["path"]) == ("idempotency_key_used", "Idempotency-Key")
    for key in ("", "a b", "x" * 256, "\u00e9"):
        assert refused(worker.post("/worker/executions", wanted, Idempotency_Key=key), 422)["path"]


def test_two_tokens_may_use_the_same_key(secret: str, wanted: dict[str, str]) -> None:
    other = ApiClient(token=create_token("other")[1])
    ok(ApiClient(token=secret).post("/worker/executions", wanted, Idempotency_Key="k1"), 201)
    ok(other.post("/worker/executions", wanted, Idempotency_Key="k1"), 201)
    assert GraphExecution.objects.count() == 2


def test_a_refused_request_can_be_repeated_with_its_key(secret: str, wanted: dict[str, str]) -> None:
    worker = ApiClient(token=secret)
    made = ok(worker.post("/worker/executions", wanted), 201)
    report = f"/worker/executions/{made['id']}/report"
    refused(worker.post(report, {"status": "COMPLETED"}, Idempotency_Key="k1"), 409)
    ok(worker.post(report, {"status": "RUNNING"}))
    ok(worker.post(report, {"status": "COMPLETED"}, Idempotency_Key="k1"))
    ok(worker.post(report, {"status": "COMPLETED"}, Idempotency_Key="k1"))


def test_of_two_concurrent_requests_one_works_and_both_get_its_answer(token: WorkerToken, in_thread: InThread) -> None:
    is_working, may_continue = threading.Event(), threading.Event()
    done: list[str] = []

    def work(name: str) -> Done:
        done.append(name)
        is_working.set()
        may_continue.wait(30)
        return Done(201, name)

    first = in_thread(lambda: once(token, "k", "same", lambda: work("first")))
    assert is_working.wait(30)
    second = in_thread(lambda: once(token, "k", "same", lambda: work("second")))
    wait_for_blocked_transaction()
    may_continue.set()
    assert first.result(30) == (201, "first", False)
    assert second.result(30) == (201, "first", True)
    assert done == ["first"]


def test_if_the_first_request_fails_the_second_does_the_work(token: WorkerToken, in_thread: InThread) -> None:
    is_working, may_continue = threading.Event(), threading.Event()

    def fail() -> Done:
        is_working.set()
        may_continue.wait(30)
        raise ZeroDivisionError

    first = in_thread(lambda: once(token, "k", "same", fail))
    assert is_working.wait(30)
    second = in_thread(lambda: once(token, "k", "same", lambda: Done(200, "second")))
    wait_for_blocked_transaction()
    may_continue.set()
    with pytest.raises(ZeroDivisionError):
        first.result(30)
    assert second.result(30) == (200, "second", False)


def test_an_answer_expires_after_a_day(token: WorkerToken) -> None:
    once(token, "old", "same", lambda: Done(200, "old"))
    once(token, "k", "same", lambda: Done(200, "first"))
    IdempotentAnswer.objects.update(created_at=timezone.now() - timedelta(days=1, seconds=1))
    assert once(token, "k", "another", lambda: Done(200, "second")) == (200, "second", False)
    with pytest.raises(KeyReused):
        once(token, "k", "same", lambda: Done(200, "third"))


def test_requests_differ_in_method_path_and_body() -> None:
    hashes = {fingerprint("POST", "/a", b""), fingerprint("PUT", "/a", b""), fingerprint("POST", "/b", b"")}
    assert len(hashes | {fingerprint("POST", "/a", b"x")}) == 4


def test_a_long_answer_is_kept_as_a_reference(secret: str, wanted: dict[str, str], token: WorkerToken) -> None:
    worker = ApiClient(token=secret)
    made = ok(worker.post("/worker/executions", wanted), 201)
    run = f"/worker/executions/{made['id']}"
    ok(worker.post(f"{run}/report", {"status": "RUNNING"}))
    report = {"node_id": "split", "status": "RUNNING", "output_data": {"text": ["x" * 500_000]}}
    append = {"node_id": "split", "outputs": {"more": [1]}}
    for path, data in ((f"{run}/nodes", report), (f"{run}/nodes/outputs", append)):
        first = worker.post(path, data, Idempotency_Key=path)
        again = worker.post(path, data, Idempotency_Key=path)
        assert (again.status_code, again["Idempotent-Replayed"]) == (200, "true")
        assert len(first.content) > 500_000
        assert ok(again) == ok(first)  # PostgreSQL keeps another order of keys
    assert [len(row.body) for row in IdempotentAnswer.objects.all()] == [0, 0]


def test_a_repeat_of_a_long_answer_shows_the_row_as_it_is_now(secret: str, wanted: dict[str, str]) -> None:
    worker = ApiClient(token=secret)
    run = f"/worker/executions/{ok(worker.post('/worker/executions', wanted), 201)['id']}"
    report = {"status": "RUNNING", "stats": {"note": "x" * 5_000}}
    ok(worker.post(f"{run}/report", report, Idempotency_Key="k"))
    ok(worker.post(f"{run}/report", {"status": "COMPLETED"}))
    assert ok(worker.post(f"{run}/report", report, Idempotency_Key="k"))["status"] == "COMPLETED"
    GraphExecution.objects.all().delete()
    assert refused(worker.post(f"{run}/report", report, Idempotency_Key="k"), 404)["code"] == "not_found"


def test_what_is_kept_of_an_answer_has_an_upper_bound(token: WorkerToken) -> None:
    pk = uuid4()
    for length, body in ((4_096, "x" * 4_096), (4_097, "")):
        done = Done(200, "x" * length, pk)
        assert once(token, str(length), "same", lambda done=done: done) == (200, "x" * length, False)
        assert IdempotentAnswer.objects.get(key=str(length)).body == body
    assert once(token, "4097", "same", lambda: done) == (200, f"row {pk}", True)


def test_a_long_answer_of_an_older_version_is_still_sent(token: WorkerToken) -> None:
    IdempotentAnswer.objects.create(token=token, key="k", fingerprint="same", status=200, body="x" * 800_000)
    assert once(token, "k", "same", lambda: Done(500, "")) == (200, "x" * 800_000, True)
