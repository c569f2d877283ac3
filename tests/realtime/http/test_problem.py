"""An HttpProblem in an API with its own error format, and in a plain NinjaAPI."""

import json

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from ninja import NinjaAPI

from executions.api import errors
from realtime.http.problem import HttpProblem

pytestmark = pytest.mark.once

PROBLEM = HttpProblem(409, "not_recoverable", "It is gone.", path="after", hint="Read again.", headers={"X-Why": "age"})


def answer_of(api: NinjaAPI) -> HttpResponse:
    return api.on_exception(RequestFactory().get("/"), PROBLEM)


def test_an_api_with_its_own_error_format_sends_all_fields() -> None:
    api = NinjaAPI(urls_namespace="with-errors")
    errors.install(api)
    answer = answer_of(api)
    assert (answer.status_code, answer["X-Why"]) == (409, "age")
    assert json.loads(answer.content) == {
        "code": "not_recoverable",
        "message": "It is gone.",
        "path": "after",
        "hint": "Read again.",
    }


def test_a_plain_api_sends_status_and_message() -> None:
    answer = answer_of(NinjaAPI(urls_namespace="without-errors"))
    assert (answer.status_code, json.loads(answer.content)) == (409, {"detail": "It is gone."})
