"""Reports are immutable values, and errors hold their reasons."""

import dataclasses

import pytest

from executions.models import GraphExecution
from executions.reporting.reports import ExecutionHasEnded, ExecutionReport, NodeOutputs, NodeReport, ReportRefused


def test_a_report_is_immutable_and_takes_keyword_arguments() -> None:
    run = GraphExecution()
    report = NodeReport(run, node_id="a", status="RUNNING")
    assert report == NodeReport(run, status="RUNNING", node_id="a")
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.status = "FAILED"  # type: ignore[misc]
    for kind in (ExecutionReport, NodeReport, NodeOutputs):
        with pytest.raises(TypeError):
            kind(run, "a", "RUNNING")  # type: ignore[call-arg]


def test_report_refused_holds_the_index_and_the_error() -> None:
    reason = ExecutionHasEnded(GraphExecution(status="FAILED"))
    assert reason.status == "FAILED"
    refused = ReportRefused(3, reason)
    assert (refused.index, refused.error) == (3, reason)
    assert str(refused) == f"Report 3: {reason}"
