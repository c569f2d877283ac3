"""The way from a worker's report to the report that is recorded."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from executions.api import recording
from executions.api.errors import Problem
from executions.api.worker_schemas import ExecutionReportIn, NodeOutputsIn, NodeReportIn
from executions.models import Graph, GraphExecution, WorkerToken
from executions.reporting import reports
from executions.services import start_execution
from executions.statuses import ExecutionStatus

pytestmark = pytest.mark.django_db


def test_each_kind_of_report_is_converted(execution: GraphExecution) -> None:
    node_exec_id = uuid4()
    assert recording.as_report(execution, ExecutionReportIn(status=ExecutionStatus.FAILED, error="No paper.")) == (
        reports.ExecutionReport(execution, status=ExecutionStatus.FAILED, error="No paper.")
    )
    assert recording.as_report(
        execution,
        NodeReportIn(node_id="a", block_id="b", status=ExecutionStatus.RUNNING, node_exec_id=node_exec_id),
    ) == reports.NodeReport(
        execution, node_id="a", block_id="b", status=ExecutionStatus.RUNNING, node_exec_id=node_exec_id
    )
    assert recording.as_report(execution, NodeOutputsIn(node_id="a", outputs={"line": [1]})) == (
        reports.NodeOutputs(execution, node_id="a", outputs={"line": [1]})
    )


def test_a_worker_locks_its_own_executions_and_those_without_a_runner(
    token: WorkerToken, graph: Graph, user: User
) -> None:
    own, free = (start_execution(graph, user=user, runner=runner) for runner in (token.runner, ""))
    with transaction.atomic():
        assert recording.lock(token, [own.pk, free.pk, own.pk]) == {own.pk: own, free.pk: free}


def test_an_execution_of_another_runner_is_not_locked(token: WorkerToken, graph: Graph, user: User) -> None:
    own, other = (start_execution(graph, user=user, runner=runner) for runner in (token.runner, "worker:other"))
    with transaction.atomic(), pytest.raises(Problem) as caught:
        recording.lock(token, [own.pk, other.pk], "reports[{}].execution_id")
    assert (caught.value.status, caught.value.path) == (404, "reports[1].execution_id")
