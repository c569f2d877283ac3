"""What all operations of the API share: who comes in, what a body may be, how an error looks."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.http import Http404
from django.test import Client
from ninja.errors import HttpError

from config.api import api
from executions.api.errors import Problem, as_problem
from executions.api.worker_schemas import Batch
from executions.statuses import ExecutionStatus, IllegalTransition
from executions.storable import UnstorableValue
from realtime.auth.jwt import issue_token
from tests.executions.api.conftest import ApiClient, ok, refused

GRAPH = {"name": "Text", "nodes": [{"id": "split", "block_id": "text.sentences"}]}


@pytest.mark.parametrize(
    ("error", "status", "code", "path"),
    [
        (Problem(418, "teapot", "It is short."), 418, "teapot", None),
        (IllegalTransition(ExecutionStatus.FAILED, ExecutionStatus.QUEUED), 409, "illegal_transition", "status"),
        (UnstorableValue("outputs.a[3] holds NaN, which JSON cannot say."), 422, "unstorable", "outputs.a[3]"),
        (Http404(), 404, "not_found", None),
        (HttpError(400, "Cannot parse"), 400, "bad_request", None),
    ],
)
def test_an_exception_becomes_one_answer(error: Exception, status: int, code: str, path: str | None) -> None:
    problem = as_problem(error)
    assert problem is not None
    assert (problem.status, problem.code, problem.path) == (status, code, path)


def test_a_fault_of_ours_is_no_answer() -> None:
    assert as_problem(ValueError("a bug")) is None


def test_a_problem_of_a_part_names_the_whole_path() -> None:
    assert Problem(422, "a", "b", path="status").below("reports[3]").path == "reports[3].status"
    assert Problem(422, "a", "b").below("reports[3]").path == "reports[3]"


def test_what_django_answers_has_the_same_shape(person: ApiClient) -> None:
    assert refused(person.get("/nowhere"), 404)["code"] == "not_found"
    assert refused(person.get("/"), 404)["code"] == "not_found"
    answer = person.send("PATCH", "/graphs")
    assert refused(answer, 405)["code"] == "method_not_allowed"
    assert set(answer["Allow"].split(", ")) == {"GET", "POST"}
    assert refused(person.client.get("/api/graphs", HTTP_HOST="evil.example"), 400)["code"] == "bad_request"


def test_pages_keep_their_own_errors(person: ApiClient) -> None:
    assert person.client.get("/nowhere")["Content-Type"].startswith("text/html")


def test_without_credentials_nobody_comes_in(db: None) -> None:
    answer = ApiClient().get("/graphs")
    assert refused(answer, 401)["code"] == "unauthorized"
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_cookie_changes_nothing_without_the_proof_that_it_is_a_page_of_ours(user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    page = ApiClient(client)
    ok(page.get("/graphs"))
    assert refused(page.post("/graphs", GRAPH), 403)["code"] == "csrf_failed"
    client.get("/executions/start/")
    proof = client.cookies["csrftoken"].value
    ok(page.post("/graphs", GRAPH, X_CSRFToken=proof), 201)


def test_a_cookie_that_cannot_be_compared_is_none(db: None) -> None:
    refused(Client().get("/api/graphs", headers={"Cookie": 'sessionid="a\\000b"'}), 401)


def test_a_users_token_needs_no_such_proof(user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    ok(ApiClient(client, issue_token(user.pk, timedelta(hours=1))).post("/graphs", GRAPH), 201)


def test_a_bad_token_never_falls_back_to_the_cookie(person: ApiClient) -> None:
    refused(person.get("/graphs", Authorization="Bearer nonsense"), 401)
    refused(person.get("/graphs", Authorization="Basic YTpi"), 401)


def test_a_workers_token_does_not_act_as_a_user(worker: ApiClient) -> None:
    refused(worker.get("/graphs"), 401)


def test_a_body_must_be_json(person: ApiClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = person.client.post("/api/graphs", b'{"name": "x", "nodes": []}', content_type=kind)
        assert refused(answer, 415)["hint"] == "Send the header Content-Type: application/json."


def test_every_operation_is_described_well_enough_to_work_from() -> None:
    schema = api.get_openapi_schema(path_prefix="/api/")
    operations = [each for path in schema["paths"].values() for each in path.values()]
    assert len(operations) >= 28
    for each in operations:
        assert each["summary"], each["operationId"]
        assert each["description"], each["operationId"]
        assert {400, 401, 413} <= each["responses"].keys(), each["operationId"]
        assert each["security"], each["operationId"]
        if "requestBody" in each:
            (body,) = each["requestBody"]["content"].values()
            name = body["schema"]["$ref"].rsplit("/", 1)[1]
            assert schema["components"]["schemas"][name]["examples"], name
    assert len({each["operationId"] for each in operations}) == len(operations)


def test_the_examples_are_right() -> None:
    for example in Batch.model_config["json_schema_extra"]["examples"]:  # type: ignore[index,call-overload,union-attr]
        Batch.model_validate(example)
