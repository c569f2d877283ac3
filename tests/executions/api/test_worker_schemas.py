"""Schemas of workers' requests."""

from uuid import uuid4

import pytest
from pydantic import ValidationError

from executions.api.worker_schemas import MAX_LEASE, Batch, ExecutionReportIn, NewExecution
from executions.statuses import ExecutionStatus


def test_the_examples_are_valid() -> None:
    for example in Batch.model_config["json_schema_extra"]["examples"]:  # type: ignore[index,call-overload,union-attr]
        Batch.model_validate(example)


@pytest.mark.parametrize("users", [{}, {"user_id": "1", "username": "ada"}], ids=["none", "both"])
def test_a_new_execution_names_its_user_in_one_way(users: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="name the user by user_id or by username, and not by both"):
        NewExecution(graph_id=uuid4(), **users)


@pytest.mark.parametrize("seconds", [0, MAX_LEASE + 1])
def test_a_lease_has_bounds(seconds: int) -> None:
    with pytest.raises(ValidationError, match="lease_seconds"):
        NewExecution(graph_id=uuid4(), user_id="1", lease_seconds=seconds)


def test_only_an_ended_execution_may_have_an_error() -> None:
    assert ExecutionReportIn(status=ExecutionStatus.FAILED, error="No paper.").error == "No paper."
    with pytest.raises(ValidationError, match="an error goes with FAILED or COMPLETED"):
        ExecutionReportIn(status=ExecutionStatus.RUNNING, error="No paper.")
