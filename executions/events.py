"""The payloads of events. They are sent in the `data` of a frame.

    {"id": "…", …, "status": "RUNNING", …, "stats": {"cost": 0, …}, …, "event_type": "graph_execution_update"}
    {…, "graph_exec_id": "…", "node_exec_id": "…", …, "status": "COMPLETED", …, "event_type": "node_execution_update"}
    {"type": "info", "event": "Your run has finished", …}

Field names and their order are those of the WebSocket server of AutoGPT Platform, so its frontend works unchanged. An
event in the log keeps the fields of the version that has recorded it.
Ids are strings of any form. Times are aware; a naive time is read as UTC. Durations are in seconds, `cost` is in cents.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from executions.statuses import ExecutionStatus


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Moment = Annotated[datetime, AfterValidator(_aware)]
Outputs = dict[str, list[Any]]


class GraphExecutionEvent(BaseModel):
    """The state of a graph execution after a change."""

    class Stats(BaseModel):
        """Cost and duration of a run. An engine may add its own fields."""

        model_config = ConfigDict(extra="allow")

        cost: int = 0
        duration: float = 0.0
        duration_cpu_only: float = 0.0
        node_exec_time: float = 0.0
        node_exec_time_cpu_only: float = 0.0
        node_exec_count: int = 0
        node_error_count: int = 0
        error: str | None = None
        activity_status: str | None = None
        correctness_score: float | None = None

    id: str
    user_id: str
    graph_id: str
    graph_version: int
    inputs: dict[str, Any] = Field(default_factory=dict)
    credential_inputs: dict[str, Any] | None = None
    nodes_input_masks: dict[str, Any] | None = None
    preset_id: str | None = None
    status: ExecutionStatus
    started_at: Moment | None = None
    ended_at: Moment | None = None
    is_shared: bool = False
    share_token: str | None = None
    is_dry_run: bool = False
    organization_id: str | None = None
    team_id: str | None = None
    expert_id: str | None = None
    trigger_source: str | None = None
    trigger_ref: str | None = None
    schedule_id: str | None = None
    webhook_id: str | None = None
    stats: Stats | None = None
    outputs: Outputs = Field(default_factory=dict)
    event_type: Literal["graph_execution_update"] = "graph_execution_update"


class SharedExecutionEvent(BaseModel):
    """What somebody with a link sees of a graph execution. `outputs` are masked."""

    id: str
    graph_name: str
    status: ExecutionStatus
    started_at: Moment | None = None
    ended_at: Moment | None = None
    outputs: Outputs = Field(default_factory=dict)


class NodeExecutionEvent(BaseModel):
    """The state of one node of an execution after a change."""

    user_id: str
    graph_id: str
    graph_version: int
    graph_exec_id: str
    node_exec_id: str
    node_id: str
    block_id: str
    status: ExecutionStatus
    input_data: dict[str, Any] = Field(default_factory=dict)
    output_data: Outputs = Field(default_factory=dict)
    add_time: Moment
    queue_time: Moment | None = None
    start_time: Moment | None = None
    end_time: Moment | None = None
    event_type: Literal["node_execution_update"] = "node_execution_update"


class NotificationPayload(BaseModel):
    """What a notification says. `type` is its kind, `event` its text. The sender may add other fields."""

    model_config = ConfigDict(extra="allow")

    type: str
    event: str


class NotificationEvent(BaseModel):
    """A notification for one user. Only `payload` is sent to the client. `read`: it was created as a read one."""

    id: str
    user_id: str
    payload: NotificationPayload
    read: bool = False


class NotificationRead(BaseModel):
    """The read state of one notification has changed. `payload` is what an unread one says."""

    id: str
    user_id: str
    read: bool
    payload: NotificationPayload | None = None


class GraphExecutionDeleted(BaseModel):
    """An execution was deleted, with its nodes."""

    id: str
    user_id: str
    graph_id: str
    is_shared: bool = False


class NodeExecutionDeleted(BaseModel):
    """One node execution was deleted."""

    node_exec_id: str
    graph_exec_id: str
    user_id: str


class NotificationDeleted(BaseModel):
    """A notification was deleted."""

    id: str
    user_id: str


class UserDeleted(BaseModel):
    """A user was deleted. Everything that belonged to the user was deleted before, each row with its own event."""

    id: str


class GraphDeleted(BaseModel):
    """A graph was deleted. Its executions were deleted before, each with its own event. `user_id` is the owner;
    `user_ids` are all who had executions of it."""

    id: str
    user_id: str
    user_ids: list[str] = []
