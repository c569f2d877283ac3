"""The reports on a run, and the errors that refuse a report."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any
from uuid import UUID

from executions.events import GraphExecutionEvent
from executions.models import GraphExecution
from executions.statuses import ExecutionStatus

Stats = GraphExecutionEvent.Stats | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ExecutionReport:
    """The state of the execution as a whole: see `services.report_execution()`. `error` is added to the stats. It is
    allowed only with COMPLETED and FAILED."""

    execution: GraphExecution
    _: KW_ONLY
    status: ExecutionStatus | str
    outputs: Mapping[str, list[Any]] | None = None
    stats: Stats | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class NodeReport:
    """The state of one node: see `services.report_node()`."""

    execution: GraphExecution
    _: KW_ONLY
    node_id: str
    status: ExecutionStatus | str
    block_id: str = ""
    input_data: Mapping[str, Any] | None = None
    output_data: Mapping[str, list[Any]] | None = None
    node_exec_id: UUID | str | None = None


@dataclass(frozen=True, slots=True)
class NodeOutputs:
    """New output values of one node: see `services.append_node_outputs()`."""

    execution: GraphExecution
    _: KW_ONLY
    node_id: str
    outputs: Mapping[str, list[Any]]
    node_exec_id: UUID | str | None = None


Report = ExecutionReport | NodeReport | NodeOutputs


class ReportRefused(ValueError):  # noqa: N818 - the name is public API
    """One of several reports is not valid after the reports before it.

    Attributes: `index` (of the report), `error` (the exception that the function for a single report raises).
    """

    def __init__(self, index: int, error: Exception) -> None:
        self.index, self.error = index, error
        super().__init__(f"Report {index}: {error}")


class ExecutionHasEnded(ValueError):  # noqa: N818 - the name is public API
    """A report on a node of an execution that has ended. Attribute: `status` of the execution."""

    def __init__(self, execution: GraphExecution) -> None:
        self.status = ExecutionStatus(execution.status)
        super().__init__(f"Execution {execution.pk} has ended ({self.status}): its nodes can no longer be reported.")


class UnknownNode(ValueError):  # noqa: N818 - the name is public API
    """Outputs for a node execution that does not exist."""


class NodeMismatch(ValueError):  # noqa: N818 - the name is public API
    """A node_exec_id that belongs to another node or to another execution."""


class NodeHasEnded(ValueError):  # noqa: N818 - the name is public API
    """Outputs for a node execution that has ended."""
