"""Schemas of requests and answers that frontends and workers share. Times are ISO 8601 with an offset. Ids are UUIDs,
except the ids of users."""

from datetime import UTC, datetime
from typing import Annotated, Any, Self, cast
from uuid import UUID

from ninja import Schema
from pydantic import AfterValidator, ConfigDict, Field, model_validator

from executions.graphs import Links, Nodes
from executions.models import Graph, GraphExecution, NodeExecution
from executions.models.graph_execution import ORIGIN, SHARE_TOKEN
from executions.node_data import load_within
from executions.services import StartOptions
from executions.sharing import check_end
from executions.statuses import ExecutionStatus
from executions.validation import StrictModel

EXAMPLE_GRAPH_ID = "7d8a6c0e-94d2-4a51-8f0c-0c1f2f3f4a5b"
EXAMPLE_EXECUTION_ID = "0b8f6f6a-3f0e-4d52-9f5e-6c1f2a3b4c5d"
ShareToken = Annotated[str, Field(pattern=f"^{SHARE_TOKEN}$")]
Name = Annotated[str, Field(min_length=1, max_length=255)]
Outputs = Annotated[dict[str, list[Any]], Field(fail_fast=True)]


class RequestBody(StrictModel, Schema):
    """The base of every request body. It refuses unknown fields, so that a misspelt field is not ignored."""


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("it is too far away") from None


UtcDatetime = Annotated[datetime, AfterValidator(_in_utc)]
ShareEnd = Annotated[UtcDatetime, AfterValidator(check_end), Field(description="Null: after the longest time.")]


class GraphIn(RequestBody):
    """A graph as it shall be."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Key sentences",
                    "description": "The sentences of a text that say most.",
                    "nodes": [
                        {"id": "split", "block_id": "text.sentences", "title": "Sentences"},
                        {"id": "rank", "block_id": "insight.key_sentences"},
                    ],
                    "links": [
                        {
                            "source_id": "split",
                            "source_name": "sentences",
                            "sink_id": "rank",
                            "sink_name": "sentences",
                        }
                    ],
                }
            ]
        }
    )

    name: str = Field(min_length=1, max_length=200)
    description: str = Field("", max_length=10_000)
    nodes: Nodes = Field(description="Each runs a block. Ids are unique.")
    links: Links = Field([], description="Each carries one node's output to another's input. No cycles.")
    organization_id: Name | None = Field(None, description="Left out: as it is; null: none.")
    team_id: Name | None = Field(
        None,
        description="Left out: as it is; null: none. Its members may see and start the graph, where the project has "
        "teams. New executions get both.",
    )
    check_blocks: bool = Field(
        True, description="False for a graph that a worker of yours runs, whose blocks this server does not know."
    )


class GraphSummary(Schema):
    id: UUID
    name: str
    description: str
    version: int = Field(description="Rises by one whenever nodes or links change.")
    owner_id: str
    organization_id: str | None
    team_id: str | None
    created_at: datetime
    updated_at: datetime

    @staticmethod
    def resolve_owner_id(graph: Graph) -> str:
        return str(graph.owner_id)


class GraphDetail(GraphSummary):
    nodes: list[dict[str, Any]]
    links: list[dict[str, Any]]


class GraphPage(Schema):
    items: list[GraphSummary]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last one.")


class ExecutionSummary(Schema):
    id: UUID
    user_id: str
    graph_id: UUID
    graph_version: int
    preset_id: str | None
    status: ExecutionStatus
    runner: str = Field(description="Who runs it: `embedded…`, `worker:NAME`, or empty.")
    attempt: int
    is_dry_run: bool
    is_shared: bool
    organization_id: str | None
    team_id: str | None
    expert_id: str | None
    trigger_source: str | None
    trigger_ref: str | None
    schedule_id: str | None
    webhook_id: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    stats: dict[str, Any] | None = Field(
        description="Cost in cents, durations in seconds, counts; `error` if it failed."
    )

    @staticmethod
    def resolve_user_id(execution: GraphExecution) -> str:
        return str(execution.user_id)


SUMMARY_COLUMNS = (
    *("id", "user_id", "graph_id", "graph_version", "preset_id", "status", "runner", "attempt", "is_dry_run"),
    *("is_shared", *ORIGIN, "created_at", "started_at", "ended_at", "stats"),
)
"""The columns of ExecutionSummary."""


class StartOptionsIn(RequestBody):
    """What a run may be started with, besides its inputs. Runwire keeps it and sends it in events."""

    credential_inputs: dict[str, Any] | None = Field(None, description="Name → which credentials, for your engine.")
    nodes_input_masks: dict[str, dict[str, Any]] | None = Field(None, description="Node → the inputs that it is given.")
    is_shared: bool = False
    share_token: ShareToken | None = Field(None, description="Null: a shared run gets one that cannot be guessed.")
    share_expires_at: ShareEnd | None = None
    expert_id: Name | None = None
    trigger_source: Name | None = Field(None, description="What has started it, in words of your own.")
    trigger_ref: Name | None = None
    schedule_id: Name | None = None
    webhook_id: Name | None = None

    @model_validator(mode="after")
    def _token_is_of_a_shared_run(self) -> Self:
        check_sharing(self.is_shared, self.share_token, self.share_expires_at)
        return self

    @property
    def options(self) -> StartOptions:
        """As `services.start_execution()` takes them, without those that were left out."""
        return cast(StartOptions, self.model_dump(include=set(StartOptions.__annotations__), exclude_unset=True))


def check_sharing(is_shared: bool, share_token: str | None, expires_at: datetime | None) -> None:
    """Raises ValueError for a token, or an end, of a run that is not shared."""
    if not is_shared and (share_token, expires_at) != (None, None):
        raise ValueError("a token and an end go with is_shared")


class Sharing(Schema):
    is_shared: bool
    share_token: str | None = Field(description="The page is at `/shared/TOKEN/`.")
    expires_at: datetime | None = Field(description="The link ends then; null: never.")

    @staticmethod
    def resolve_expires_at(execution: GraphExecution) -> datetime | None:
        return execution.share_expires_at


class ExecutionPage(Schema):
    items: list[ExecutionSummary]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last one.")


class NodeOut(Schema):
    id: UUID = Field(description="The node execution's id, which events call `node_exec_id`.")
    node_id: str
    block_id: str
    attempt: int
    status: ExecutionStatus
    input_data: dict[str, Any]
    output_data: Outputs = Field(description="Name → list of values.")
    add_time: datetime
    queue_time: datetime | None
    start_time: datetime | None
    end_time: datetime | None


class NodePage(Schema):
    items: list[NodeOut]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last one.")


class ExecutionFull(ExecutionSummary):
    inputs: dict[str, Any]
    outputs: Outputs = Field(description="Name → list of values.")
    nodes: list[NodeOut] = Field(description="The node executions of the present attempt, oldest first.")
    has_more_nodes: bool = Field(
        description="More than 1,000 nodes, or more than 4 MB in them: the others are at `/executions/{id}/nodes`."
    )


MAX_NODES_IN_DETAIL = 1_000


def execution_detail(execution: GraphExecution) -> dict[str, Any]:
    """The fields of ExecutionFull. Two queries, if the row of the execution is complete."""
    nodes = NodeExecution.objects.filter(graph_execution=execution, attempt=execution.attempt)
    rows, is_cut = load_within(nodes.order_by("add_time", "pk")[: MAX_NODES_IN_DETAIL + 1])
    return {
        **{name: getattr(execution, name) for name in SUMMARY_COLUMNS},
        "user_id": str(execution.user_id),
        "inputs": execution.inputs,
        "outputs": execution.outputs,
        "nodes": rows[:MAX_NODES_IN_DETAIL],
        "has_more_nodes": is_cut or len(rows) > MAX_NODES_IN_DETAIL,
    }
