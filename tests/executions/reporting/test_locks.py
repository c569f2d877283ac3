"""Which rows reports lock and read."""

from collections.abc import Iterable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from executions.models import Graph, GraphExecution, NodeExecution
from executions.reporting.locks import lock_executions, lock_nodes, pk_of
from executions.reporting.reports import ExecutionReport, NodeOutputs, NodeReport, Report

pytestmark = pytest.mark.django_db


def made(execution: GraphExecution, node_id: str, **values: Any) -> NodeExecution:
    return NodeExecution.objects.create(graph_execution=execution, node_id=node_id, **values)


def locked(*reports: Report) -> list[NodeExecution]:
    with transaction.atomic():
        return list(lock_nodes(reports, lock_executions(reports, "default"), "default"))


def in_order(nodes: Iterable[NodeExecution]) -> list[NodeExecution]:
    return sorted(nodes, key=lambda node: node.pk)


def test_each_execution_is_locked_once_in_the_order_of_the_ids(graph: Graph, user: User) -> None:
    several = [GraphExecution.objects.create(graph=graph, user=user) for _ in range(5)]
    reports = [NodeReport(each, node_id="a", status="RUNNING") for each in (*several, *several, GraphExecution())]
    with transaction.atomic():
        found = lock_executions(reports, "default")
    assert list(found) == sorted(each.pk for each in several)
    assert all("outputs" in execution.get_deferred_fields() for execution in found.values())
    whole = [*reports, ExecutionReport(several[0], status="RUNNING")]
    with transaction.atomic():
        found = lock_executions(whole, "default")
    assert not any(execution.get_deferred_fields() for execution in found.values())


def test_a_primary_key_may_be_text(execution: GraphExecution) -> None:
    assert pk_of(GraphExecution(pk=str(execution.pk))) == pk_of(execution) == execution.pk


def test_a_node_id_names_the_latest_node_execution_of_the_current_attempt(graph: Graph, user: User) -> None:
    run, other = (GraphExecution.objects.create(graph=graph, user=user, attempt=2) for _ in range(2))
    made(run, "a", attempt=1)
    made(run, "a", attempt=2)
    made(run, "c", attempt=2)
    latest = made(run, "a", attempt=2)
    b = made(other, "b", attempt=2)
    made(other, "a", attempt=2)
    made(run, "b", attempt=2)
    assert locked(NodeReport(run, node_id="a", status="RUNNING")) == [latest]
    reports = [NodeReport(run, node_id="a", status="RUNNING"), NodeOutputs(other, node_id="b", outputs={})]
    assert locked(*reports, *reports) == in_order([latest, b])
    assert locked(NodeReport(run, node_id="\0", status="RUNNING")) == []
    assert locked(NodeReport(run, node_id="x/2/a", status="RUNNING")) == []


def test_a_node_execution_is_found_by_its_id_in_any_execution(
    execution: GraphExecution, graph: Graph, user: User
) -> None:
    theirs = made(GraphExecution.objects.create(graph=graph, user=user), "a")
    own = made(execution, "a")
    reports = [
        NodeReport(execution, node_id="a", status="RUNNING", node_exec_id=id)
        for id in (own.pk, str(theirs.pk).upper(), uuid4(), "no id")
    ]
    assert locked(*reports) == in_order([own, theirs])


def test_the_unfinished_nodes_of_an_execution_that_ends_are_locked(execution: GraphExecution) -> None:
    nodes = {status: made(execution, "a", status=status) for status in ("INCOMPLETE", "QUEUED", "RUNNING", "REVIEW")}
    done = made(execution, "done", status="COMPLETED")
    for status in ("COMPLETED", "FAILED", "TERMINATED"):
        assert locked(ExecutionReport(execution, status=status)) == in_order(nodes.values())
    assert locked(ExecutionReport(execution, status="RUNNING")) == []
    reports = [NodeReport(execution, node_id="done", status="RUNNING"), ExecutionReport(execution, status="FAILED")]
    assert locked(*reports) == in_order([*nodes.values(), done])
