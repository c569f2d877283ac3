"""The one shape of all errors: which exception becomes which answer."""

import pytest
from django.http import Http404
from ninja.errors import HttpError

from executions.api.errors import Problem, as_problem
from executions.sharing import WrongEnd
from executions.statuses import ExecutionStatus, IllegalTransition
from executions.storable import UnstorableValue


@pytest.mark.parametrize(
    ("error", "status", "code", "path"),
    [
        (Problem(418, "teapot", "It is short."), 418, "teapot", None),
        (IllegalTransition(ExecutionStatus.FAILED, ExecutionStatus.QUEUED), 409, "illegal_transition", "status"),
        (UnstorableValue("outputs.a[3] holds NaN, which JSON cannot say."), 422, "unstorable", "outputs.a[3]"),
        (WrongEnd("a link ends in the future"), 422, "invalid", None),
        (Http404(), 404, "not_found", None),
        (HttpError(400, "Cannot parse"), 400, "bad_request", None),
    ],
)
def test_an_exception_becomes_one_answer(error: Exception, status: int, code: str, path: str | None) -> None:
    problem = as_problem(error)
    assert problem is not None
    assert (problem.status, problem.code, problem.path) == (status, code, path)


def test_an_unexpected_exception_is_not_mapped() -> None:
    assert as_problem(ValueError("a bug")) is None


def test_a_prefix_extends_the_path_of_a_problem() -> None:
    assert Problem(422, "a", "b", path="status").with_prefix("reports[3]").path == "reports[3].status"
    assert Problem(422, "a", "b").with_prefix("reports[3]").path == "reports[3]"
