"""Shared schemas: times in UTC, strict request bodies, and the detail of an execution."""

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from executions.api import schemas
from executions.api.schemas import ExecutionFull, GraphIn, UtcDatetime, execution_detail
from executions.models import GraphExecution, NodeExecution

TIME = TypeAdapter(UtcDatetime)


@pytest.mark.parametrize("text", ["2026-05-01T12:00:00", "2026-05-01T12:00:00Z", "2026-05-01T14:00:00+02:00"])
def test_a_time_is_converted_to_utc(text: str) -> None:
    assert TIME.validate_python(text) == datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert TIME.validate_python(text).tzinfo is UTC


def test_a_time_out_of_range_is_refused() -> None:
    with pytest.raises(ValidationError, match="it is too far away"):
        TIME.validate_python("0001-01-01T00:00:00+14:00")


def test_a_request_body_refuses_unknown_fields() -> None:
    with pytest.raises(ValidationError, match="colour"):
        GraphIn.model_validate({"name": "Text", "nodes": [], "colour": "red"})


def test_the_detail_holds_the_nodes_of_the_present_attempt(execution: GraphExecution) -> None:
    for node_id, attempt in (("old", 1), ("a", 2), ("b", 2)):
        NodeExecution.objects.create(graph_execution=execution, node_id=node_id, attempt=attempt)
    execution.attempt = 2
    detail = execution_detail(execution)
    assert detail.keys() == ExecutionFull.model_fields.keys()
    assert [node.node_id for node in detail["nodes"]] == ["a", "b"]
    assert (detail["id"], detail["inputs"], detail["has_more_nodes"]) == (execution.pk, execution.inputs, False)


def test_the_detail_says_when_there_are_more_nodes(execution: GraphExecution, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "MAX_NODES_IN_DETAIL", 1)
    for node_id in ("a", "b"):
        NodeExecution.objects.create(graph_execution=execution, node_id=node_id)
    detail = execution_detail(execution)
    assert ([node.node_id for node in detail["nodes"]], detail["has_more_nodes"]) == (["a"], True)
