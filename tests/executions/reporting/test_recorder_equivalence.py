"""Many reports at once give the same rows and events as single calls and as plain saves."""

import random
from itertools import groupby
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from executions.models import Graph, GraphExecution, NodeExecution
from executions.reporting.reports import (
    ExecutionHasEnded,
    ExecutionReport,
    NodeHasEnded,
    NodeMismatch,
    NodeOutputs,
    NodeReport,
    Report,
    ReportRefused,
    UnknownNode,
)
from executions.services import append_node_outputs, finish_execution, report_all, report_execution, report_node
from executions.statuses import ENDED, ExecutionStatus, check_transition
from tests.executions.conftest import Received
from tests.executions.reporting.stored import rows

pytestmark = pytest.mark.django_db


TIMES = ("add_time", "queue_time", "start_time", "end_time", "started_at", "ended_at")


def record_by_services(reports: list[Report]) -> None:
    for report in reports:
        match report:
            case ExecutionReport(error=None):
                report_execution(report.execution, status=report.status, outputs=report.outputs, stats=report.stats)
            case ExecutionReport():
                finish_execution(
                    report.execution,
                    status=report.status,
                    outputs=report.outputs,
                    stats=report.stats,
                    error=report.error,
                )
            case NodeReport():
                report_node(
                    report.execution,
                    node_id=report.node_id,
                    block_id=report.block_id,
                    status=report.status,
                    input_data=report.input_data,
                    output_data=report.output_data,
                    node_exec_id=report.node_exec_id,
                )
            case NodeOutputs():
                append_node_outputs(
                    report.execution,
                    node_id=report.node_id,
                    outputs=report.outputs,
                    node_exec_id=report.node_exec_id,
                )


def record_by_saves(reports: list[Report]) -> None:
    """Does what the reports say, by plain saves."""
    for report in reports:
        execution = GraphExecution.objects.get(pk=report.execution.pk)
        if isinstance(report, ExecutionReport):
            status = ExecutionStatus(report.status)
            check_transition(execution.status, status)
            if status in ENDED:
                execution.node_executions.exclude(status__in=ENDED).update(status="TERMINATED")
            changed = {"status"} if status != execution.status else set()
            execution.status = status
            if report.outputs is not None:
                execution.outputs = dict(report.outputs)
                changed.add("outputs")
            if report.stats is not None or report.error is not None:
                execution.stats = dict(report.stats if report.stats is not None else execution.stats or {})
                if report.error is not None:
                    execution.stats["error"] = report.error
                changed.add("stats")
            execution.save(update_fields=changed)
            continue
        if execution.status in ENDED:
            raise ExecutionHasEnded(execution)
        nodes = execution.node_executions.filter(node_id=report.node_id)
        if report.node_exec_id:
            node = NodeExecution.objects.filter(pk=report.node_exec_id).first()
            if node and (node.graph_execution_id, node.node_id) != (execution.pk, report.node_id):
                raise NodeMismatch
        else:
            node = nodes.filter(attempt=execution.attempt).order_by("add_time", "pk").last()
        if isinstance(report, NodeOutputs):
            if node is None:
                raise UnknownNode
            if node.status in ENDED:
                raise NodeHasEnded
            for name, values in report.outputs.items():
                node.output_data[name] = node.output_data.get(name, []) + values
            node.save(update_fields=["output_data"])
            continue
        if node is None:
            id = report.node_exec_id or uuid4()
            node = NodeExecution(id=id, graph_execution=execution, node_id=report.node_id, attempt=execution.attempt)
        node.status = ExecutionStatus(report.status)
        node.block_id = report.block_id or node.block_id
        for name in ("input_data", "output_data"):
            if getattr(report, name) is not None:
                setattr(node, name, getattr(report, name))
        node.save()


def random_reports(choose: random.Random, count: int) -> list[tuple[Any, ...]]:
    """Random reports as (class, number of the execution, arguments), with numbers instead of ids. So the same reports
    can be made for different rows."""
    nodes: list[Any] = [("a", None), ("b", None), ("a", 0), ("a", 1), ("b", 2)]
    statuses = ["QUEUED", "RUNNING", "RUNNING", "RUNNING", "REVIEW", "COMPLETED", "FAILED", "INCOMPLETE", "TERMINATED"]
    specs: list[tuple[Any, ...]] = []
    for number in range(count):
        of, outputs = choose.randrange(2), {choose.choice("xy"): [number, {"é": None}]}
        node_id, id = choose.choice(nodes)
        match choose.randrange(12):
            case 0:
                stats, error = choose.choice([None, {"cost": number}]), None
                status = choose.choice(["RUNNING"] * 6 + ["REVIEW", "QUEUED", "COMPLETED", "FAILED", "TERMINATED"])
                if status == "FAILED":
                    error = f"It broke at {number}."
                specs.append(
                    (ExecutionReport, of, {"status": status, "outputs": outputs, "stats": stats, "error": error})
                )
            case 1:
                specs.append((ExecutionReport, of, {"status": "RUNNING"}))
            case 2 | 3 | 4:
                specs.append((NodeOutputs, of, {"node_id": node_id, "id": id, "outputs": outputs}))
            case _:
                data = choose.choice([{}, {"input_data": {"n": number}}, {"output_data": outputs}, {"block_id": "b"}])
                specs.append(
                    (NodeReport, of, {"node_id": node_id, "id": id, "status": choose.choice(statuses), **data})
                )
    return specs


class Runs:
    """Two executions and their events. `after()` replaces ids and times, so that its results can be compared."""

    def __init__(self, graph: Graph, received: Received) -> None:
        self._received = received
        self._executions = [
            GraphExecution.objects.create(graph=graph, user=graph.owner, status=status, stats={"cost": 1})
            for status in ("RUNNING", "QUEUED")
        ]
        self._ids = [uuid4() for _ in range(3)]
        # One of the old attempt and two of the current attempt.
        self._executions[0].attempt = 2
        self._executions[0].save()
        for attempt, status in ((1, "TERMINATED"), (2, "RUNNING"), (2, "QUEUED")):
            NodeExecution.objects.create(
                graph_execution=self._executions[0], node_id="a", attempt=attempt, status=status
            )
        received.clear()

    def reports(self, specs: list[tuple[Any, ...]]) -> list[Report]:
        reports = []
        for kind, of, values in specs:
            values = dict(values)
            if (id := values.pop("id", None)) is not None:
                values["node_exec_id"] = self._ids[id]
            reports.append(kind(self._executions[of], **values))
        return reports

    def after(self) -> tuple[Any, Any]:
        """The events and the rows."""
        pks = [each.pk for each in self._executions]
        stored = [
            *GraphExecution.objects.filter(pk__in=pks).order_by("created_at").values(),
            *NodeExecution.objects.filter(graph_execution__in=pks).order_by("add_time").values(),
        ]
        names = {str(row["id"]): f"#{number}" for number, row in enumerate(stored)}
        events_after: list[Any] = []
        # At the end of an execution the events of nodes are in the order of their ids, which differ between instances.
        by_end = groupby(self._received.events, lambda event: event.status == "TERMINATED")
        for is_end, events in by_end:
            plain = [self._plain(event.model_dump(mode="json"), names) for event in events]
            events_after += sorted(plain, key=str) if is_end else plain
        return events_after, [self._plain(row, names) for row in stored]

    @staticmethod
    def _plain(row: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
        return {
            name: value is not None if name in TIMES else names.get(str(value), value)
            for name, value in row.items()
            if name != "created_at"
        }


@pytest.mark.parametrize("seed", range(25))
def test_report_all_gives_the_rows_and_events_of_single_calls(graph: Graph, received: Received, seed: int) -> None:
    choose = random.Random(seed)
    first, second, third = Runs(graph, received), Runs(graph, received), Runs(graph, received)
    legal, wrong = [], []
    received.clear()
    for each in random_reports(choose, 60):
        try:
            with transaction.atomic():
                record_by_saves(first.reports([each]))
            legal.append(each)
        except ValueError as error:
            wrong.append((len(legal), each, type(error)))
    assert len(legal) > 5
    expected = first.after()
    received.clear()
    record_by_services(second.reports(legal))
    assert second.after() == expected
    received.clear()
    before = rows()
    for index, each, kind in wrong:
        with pytest.raises(ReportRefused) as caught:
            report_all(third.reports([*legal[:index], each, *legal[index:]]))
        assert (caught.value.index, type(caught.value.error)) == (index, kind)
    assert received == []
    assert rows() == before
    report_all(third.reports(legal))
    received[:] = [sent for sent in received if sent.name != "reports_recorded"]
    assert third.after() == expected
