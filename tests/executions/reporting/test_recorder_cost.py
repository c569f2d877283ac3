"""The number of statements does not depend on the number of reports."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from executions.models import Graph, GraphExecution, NodeExecution
from executions.reporting.reports import (
    ExecutionReport,
    NodeOutputs,
    NodeReport,
    Report,
)
from executions.services import report_all

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(graph: Graph, user: User) -> GraphExecution:
    return GraphExecution.objects.create(graph=graph, user=user, status="RUNNING")


def mixed(run: GraphExecution, count: int) -> list[Report]:
    """Reports of new and old nodes, with and without ids, outputs, and reports of the execution in between."""
    reports: list[Report] = []
    while len(reports) < count:
        number = len(reports)
        reports += [
            NodeReport(run, node_id=f"n{number}", status="RUNNING", node_exec_id=uuid4()),
            NodeReport(run, node_id=f"m{number}", status="RUNNING"),
            NodeOutputs(run, node_id=f"m{number}", outputs={"x": [1]}),
            NodeReport(run, node_id="old", status="RUNNING"),
            ExecutionReport(run, status="RUNNING", stats={"cost": number}),
        ]
    return reports


@pytest.mark.django_db(transaction=True)
def test_eight_times_the_reports_need_the_same_statements(run: GraphExecution) -> None:
    report_all([NodeReport(run, node_id="old", status="RUNNING")])
    report_all(mixed(run, 5))  # creates the streams
    statements = []
    for count in (10, 80):  # 80 reports make 96 rows of the log, and one INSERT takes 100
        with CaptureQueriesContext(connection) as queries:
            report_all(mixed(run, count))
        statements.append([each["sql"].split("(")[0].split(" SET ")[0].strip() for each in queries])
    assert statements[0] == statements[1]
    assert len(statements[0]) <= 17, statements[0]


@pytest.mark.django_db(transaction=True)
def test_a_thousand_reports_of_many_executions_need_three_statements(graph: Graph, user: User) -> None:
    runs = [GraphExecution(graph=graph, user=user, status="RUNNING") for _ in range(50)]
    GraphExecution.objects.bulk_create(runs)
    reports = [NodeReport(each, node_id=f"n{number}", status="QUEUED") for each in runs for number in range(20)]
    with CaptureQueriesContext(connection) as queries:
        report_all(reports)
    ours = [each["sql"] for each in queries if '"executions_' in each["sql"]]
    assert len(ours) == 3  # reads the executions, reads the nodes, inserts the nodes
    assert NodeExecution.objects.count() == 1_000
