"""Concurrent calls wait for each other and do not deadlock."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from executions.models import Graph, GraphExecution, NodeExecution
from executions.reporting.reports import (
    NodeOutputs,
    NodeReport,
)
from executions.services import report_all
from tests.executions.conftest import InThread, wait_for_blocked_transaction

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_the_second_of_two_concurrent_calls_sees_what_the_first_one_wrote(
    graph: Graph, user: User, in_thread: InThread
) -> None:
    one, two = (GraphExecution.objects.create(graph=graph, user=user, status="RUNNING") for _ in range(2))

    def batch(*runs: GraphExecution) -> Callable[[], Any]:
        return lambda: report_all(
            [
                report
                for run in runs
                for report in (
                    NodeReport(run, node_id="a", status="RUNNING"),
                    NodeOutputs(run, node_id="a", outputs={"x": [1]}),
                )
            ]
        )

    is_written, may_commit = threading.Event(), threading.Event()

    def first() -> None:
        with transaction.atomic():
            batch(one)()
            is_written.set()
            may_commit.wait(30)

    holding = in_thread(first)
    assert is_written.wait(30)
    waiting = in_thread(batch(two, one))
    wait_for_blocked_transaction()
    may_commit.set()
    for each in (holding, waiting):
        each.result(30)
    several = [in_thread(batch(*runs)) for runs in [(one, two), (two, one)] * 4]
    for each in several:
        each.result(30)
    assert {len(node.output_data["x"]) for node in NodeExecution.objects.all()} == {10, 9}
