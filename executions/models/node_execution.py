"""One run of a node."""

from collections.abc import Collection
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from executions import signals
from executions.events import NodeExecutionDeleted, NodeExecutionEvent
from executions.fields import CharField, JSONField
from executions.models.graph_execution import GraphExecution
from executions.recording.status_model import StatusModel, status_constraint
from executions.recording.status_times import StatusTimes


class NodeExecution(StatusModel):
    """One run of the block of a node, with its input. An engine may run a node more than once in an execution."""

    event_fields = trigger_fields = frozenset(
        {
            *("graph_execution", "node_id", "block_id", "status", "input_data", "output_data"),
            *("add_time", "queue_time", "start_time", "end_time"),
        }
    )
    identity_fields = frozenset({"graph_execution"})
    status_times = StatusTimes(queued="queue_time", running="start_time", ended="end_time")
    created_signal = changed_signal = signals.node_execution_changed
    deleted_signal = signals.node_execution_deleted

    # No own index: an index below starts with this column.
    graph_execution = models.ForeignKey(GraphExecution, models.CASCADE, related_name="node_executions", db_index=False)
    node_id = CharField(max_length=255)
    block_id = CharField(max_length=255, blank=True, default="")
    attempt = models.PositiveIntegerField(default=1, help_text="The attempt of the run that this step belongs to.")
    input_data = JSONField(default=dict, blank=True)
    output_data = JSONField(default=dict, blank=True, help_text="Name → list of values.")
    add_time = models.DateTimeField(default=timezone.now)
    queue_time = models.DateTimeField(null=True, blank=True)
    start_time = models.DateTimeField(null=True, blank=True)
    end_time = models.DateTimeField(null=True, blank=True)

    class Meta(StatusModel.Meta):
        constraints = [
            status_constraint("node_execution_status"),
            models.CheckConstraint(name="node_execution_attempt_from_1", condition=Q(attempt__gte=1)),
        ]
        indexes = [models.Index(fields=["graph_execution", "add_time"], name="node_execution_of_execution")]

    def __str__(self) -> str:
        return f"{self.node_id} ({self.pk})"

    def to_event(self) -> NodeExecutionEvent:
        """Reads the execution. For many rows, load it with `select_related("graph_execution")`."""
        execution = self.graph_execution
        return NodeExecutionEvent.model_validate(
            {
                "user_id": str(execution.user_id),
                "graph_id": str(execution.graph_id),
                "graph_version": execution.graph_version,
                "graph_exec_id": str(execution.pk),
                "node_exec_id": str(self.pk),
                "node_id": self.node_id,
                "block_id": self.block_id,
                "status": self.status,
                "input_data": self.input_data,
                "output_data": self.output_data,
                "add_time": self.add_time,
                "queue_time": self.queue_time,
                "start_time": self.start_time,
                "end_time": self.end_time,
            }
        )

    def deleted_event(self) -> NodeExecutionDeleted:
        return NodeExecutionDeleted(
            node_exec_id=str(self.pk),
            graph_exec_id=str(self.graph_execution_id),
            user_id=str(self.graph_execution.user_id),
        )

    @classmethod
    def rows_with_events(cls, using: str | None) -> models.QuerySet[Self]:
        execution_fields = ("user", "graph", "graph_version")
        return (
            super()
            .rows_with_events(using)
            .select_related("graph_execution")
            .only(*cls.event_fields, *(f"graph_execution__{name}" for name in execution_fields))
        )

    def _equals_row(self, names: Collection[str]) -> bool:
        return type(self).graph_execution.is_cached(self) and super()._equals_row(names)
