"""Schemas of the requests of workers and the answers to them."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field, field_validator, model_validator

from executions.api.errors import Problem
from executions.api.schemas import (
    EXAMPLE_EXECUTION_ID,
    EXAMPLE_GRAPH_ID,
    ExecutionSummary,
    Name,
    Outputs,
    RequestBody,
    StartOptionsIn,
)
from executions.conf import limits
from executions.events import GraphExecutionEvent
from executions.statuses import ExecutionStatus

MAX_LEASE = 86_400  # seconds
Lease = Annotated[int, Field(ge=1, le=MAX_LEASE)]
NodeId = Annotated[str, Field(min_length=1, max_length=255)]


class NewExecution(StartOptionsIn):
    """An execution that this worker will run for a user."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"username": "ada", "graph_id": EXAMPLE_GRAPH_ID, "inputs": {"text": "One. Two."}, "lease_seconds": 60}
            ]
        }
    )

    user_id: str | None = Field(None, min_length=1, max_length=255, description="Whose it is; or `username`.")
    username: str | None = Field(None, min_length=1, max_length=150)
    graph_id: UUID = Field(description="A graph of this user, or one that the token names.")
    inputs: dict[str, Any] = {}
    preset_id: str | None = Field(None, max_length=255)
    is_dry_run: bool = False
    organization_id: Name | None = Field(None, description="Left out: that of the graph.")
    team_id: Name | None = Field(None, description="Left out: that of the graph.")
    lease_seconds: Lease | None = Field(
        None,
        description="If this worker is silent for so many seconds, the execution becomes FAILED. Each report, and each "
        "heartbeat, starts the time again. Null: it may be silent for ever.",
    )

    @model_validator(mode="after")
    def _names_one_user(self) -> Self:
        if (self.user_id is None) == (self.username is None):
            raise ValueError("name the user by user_id or by username, and not by both")
        return self


class ExecutionReportIn(RequestBody):
    """What happened to the execution as a whole. What is given replaces what was there."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"status": "RUNNING"}, {"status": "COMPLETED", "outputs": {"report": ["All is well."]}}]
        }
    )

    status: ExecutionStatus
    outputs: Outputs | None = Field(None, description="Name → list of values.")
    stats: GraphExecutionEvent.Stats | None = Field(None, description="Cost in cents, durations in seconds, counts.")
    error: str | None = Field(None, max_length=10_000, description="Why it FAILED; becomes part of the stats.")

    @model_validator(mode="after")
    def _error_is_of_an_end(self) -> Self:
        if self.error is not None and self.status not in (ExecutionStatus.FAILED, ExecutionStatus.COMPLETED):
            raise ValueError("an error goes with FAILED or COMPLETED")
        return self


class NodeReportIn(RequestBody):
    """What happened to a node. The first report creates its execution; data that is given replaces what was there."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"node_id": "split", "block_id": "text.sentences", "status": "RUNNING"},
                {"node_id": "split", "status": "COMPLETED", "output_data": {"sentences": [["One.", "Two."]]}},
            ]
        }
    )

    node_id: NodeId
    block_id: str = Field("", max_length=255)
    status: ExecutionStatus
    input_data: dict[str, Any] | None = None
    output_data: Outputs | None = Field(None, description="Name → list of values.")
    node_exec_id: UUID | None = Field(
        None, description="An id of your own, for a node that runs more than once in a run. Without it: its latest."
    )


class NodeOutputsIn(RequestBody):
    """Values that come behind those that the node has put out already."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"node_id": "write", "outputs": {"line": ["the next", "and one more"]}}]}
    )

    node_id: NodeId
    outputs: Outputs = Field(min_length=1, description="Name → list of values.")
    node_exec_id: UUID | None = None


class _InBatch(RequestBody):
    execution_id: UUID


class BatchedExecutionReport(ExecutionReportIn, _InBatch):
    type: Literal["execution"]


class BatchedNodeReport(NodeReportIn, _InBatch):
    type: Literal["node"]


class BatchedNodeOutputs(NodeOutputsIn, _InBatch):
    type: Literal["append"]


BatchedReport = Annotated[
    BatchedExecutionReport | BatchedNodeReport | BatchedNodeOutputs,
    Field(discriminator="type"),
]


class Batch(RequestBody):
    """Reports that are recorded in their order, all or none."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "reports": [
                        {"type": "execution", "execution_id": EXAMPLE_EXECUTION_ID, "status": "RUNNING"},
                        {"type": "node", "execution_id": EXAMPLE_EXECUTION_ID, "node_id": "split", "status": "RUNNING"},
                        {
                            "type": "append",
                            "execution_id": EXAMPLE_EXECUTION_ID,
                            "node_id": "split",
                            "outputs": {"sentences": [["One."]]},
                        },
                    ]
                }
            ]
        }
    )

    reports: list[BatchedReport] = Field(min_length=1, fail_fast=True, description="At most 1,000.")

    @field_validator("reports", mode="before")
    @classmethod
    def _not_too_many(cls, reports: Any) -> Any:
        if isinstance(reports, list) and len(reports) > limits.MAX_REPORTS:
            raise Problem(
                *(422, "too_many", f"There are {len(reports):,} reports."),
                path="reports",
                hint=f"Send {limits.MAX_REPORTS:,} at most.",
            )
        return reports


class BatchAnswer(Schema):
    recorded: int


class HeldExecution(ExecutionSummary):
    """An execution as it is after the report."""

    lease_seconds: int | None
