"""Calls about the same execution or node at the same time."""

import threading
from collections.abc import Callable

import pytest
from django.db import transaction

from executions.events import NodeExecutionEvent
from executions.models import GraphExecution, NodeExecution
from executions.services import (
    finish_execution,
    report_node,
    terminate_execution,
)
from executions.statuses import IllegalTransition
from tests.executions.conftest import InThread, Received, wait_for_blocked_transaction

pytestmark = pytest.mark.django_db


def statuses(execution: GraphExecution) -> dict[str, str]:
    return dict(execution.node_executions.values_list("node_id", "status"))


@pytest.mark.django_db(transaction=True)
def test_two_concurrent_reports_of_one_node_give_one_node_execution(
    running: GraphExecution, received: Received, in_thread: InThread
) -> None:
    is_written, may_commit = threading.Event(), threading.Event()

    def report_first() -> None:
        with transaction.atomic():
            report_node(running, node_id="split", status="RUNNING", output_data={"by": ["first"]})
            is_written.set()
            may_commit.wait(30)

    def report_second() -> None:
        report_node(running, node_id="split", status="RUNNING", output_data={"by": ["second"]})

    first = in_thread(report_first)
    assert is_written.wait(30)
    second = in_thread(report_second)
    wait_for_blocked_transaction()
    may_commit.set()
    first.result(30)
    second.result(30)
    assert NodeExecution.objects.get().output_data == {"by": ["second"]}
    assert [event.output_data for event in received.events] == [{"by": ["first"]}, {"by": ["second"]}]


@pytest.mark.django_db(transaction=True)
def test_one_of_two_concurrent_ends_is_refused_and_each_node_has_one_event(
    running: GraphExecution, received: Received, in_thread: InThread
) -> None:
    for number in range(3):
        report_node(running, node_id=str(number), status="RUNNING")
    received.clear()
    start = threading.Barrier(2)

    def end(call: Callable[[GraphExecution], GraphExecution]) -> str:
        start.wait(30)
        try:
            return call(running).status
        except IllegalTransition:
            return "refused"

    ends = [in_thread(lambda call=call: end(call)) for call in (finish_execution, terminate_execution)]
    results = sorted(each.result(30) for each in ends)
    assert results in (["COMPLETED", "refused"], ["TERMINATED", "refused"])
    assert GraphExecution.objects.get().status == results[0]
    assert len(received.events) == 4


@pytest.mark.django_db(transaction=True)
def test_the_last_event_of_each_node_is_its_state_after_many_concurrent_reports(
    running: GraphExecution, received: Received, in_thread: InThread
) -> None:
    last_events: dict[str, NodeExecutionEvent] = {}
    lock = threading.Lock()

    def work(worker: int) -> None:
        for step in range(12):
            with transaction.atomic():
                node = report_node(
                    running, node_id=f"node-{step % 3}", status="RUNNING", output_data={"by": [worker, step]}
                )
                # The row is locked here, so this is the order of the commits.
                with lock:
                    last_events[str(node.pk)] = node.to_event()

    for each in [in_thread(lambda worker=worker: work(worker)) for worker in range(4)]:
        each.result(120)
    assert {str(node.pk): node.to_event() for node in NodeExecution.objects.all()} == last_events
    assert len(last_events) == 3
    assert len(received.events) == 48


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_save_of_a_node_does_not_wait_for_a_report_of_another_node(
    running: GraphExecution, in_thread: InThread
) -> None:
    """Only services lock the row of the execution. Rows that refer to it can be written concurrently."""
    node = report_node(running, node_id="split", status="RUNNING")
    with transaction.atomic():
        report_node(running, node_id="rank", status="RUNNING")
        in_thread(node.save).result(30)
        in_thread(lambda: NodeExecution.objects.create(graph_execution=running, node_id="third")).result(30)
    assert statuses(running) == dict.fromkeys(["split", "rank"], "RUNNING") | {"third": "QUEUED"}
