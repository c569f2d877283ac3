"""The rows that reports have written."""

from typing import Any

from executions.models import GraphExecution, NodeExecution


def rows() -> list[dict[str, Any]]:
    """All executions and node executions, by primary key."""
    return [
        row
        for model in (GraphExecution, NodeExecution)
        for row in model.objects.order_by("pk").values()  # type: ignore[attr-defined]
    ]
