"""Many reports at once: the same rows and the same events as one after the other, or nothing at all."""

import json
import random
import threading
from collections.abc import Callable
from itertools import groupby, pairwise
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from executions.models import Graph, GraphExecution, NodeExecution
from executions.recording.queryset import TooManyEvents
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
from executions.statuses import ENDED, ExecutionStatus, IllegalTransition, check_transition
from executions.storable import UnstorableValue
from realtime.models import StreamEvent
from tests.executions.conftest import InThread, Received, ReceiverError, wait_for_blocked_transaction

pytestmark = pytest.mark.django_db

TIMES = ("add_time", "queue_time", "start_time", "end_time", "started_at", "ended_at")


@pytest.fixture
def run(graph: Graph, user: User) -> GraphExecution:
    return GraphExecution.objects.create(graph=graph, user=user, status="RUNNING")


def rows() -> list[dict[str, Any]]:
    return [
        row
        for model in (GraphExecution, NodeExecution)
        for row in model.objects.order_by("pk").values()  # type: ignore[attr-defined]
    ]


# The same as one after the other


def by_verbs(reports: list[Report]) -> None:
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


def by_saves(reports: list[Report]) -> None:
    """What the reports mean, in plain saves."""
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
    """What reports say, with numbers for executions and ids, so that they can be said of different rows."""
    nodes: list[Any] = [("a", None), ("b", None), ("a", 0), ("a", 1), ("b", 2)]
    statuses = ["QUEUED", "RUNNING", "RUNNING", "RUNNING", "REVIEW", "COMPLETED", "FAILED", "INCOMPLETE", "TERMINATED"]
    said: list[tuple[Any, ...]] = []
    for number in range(count):
        of, outputs = choose.randrange(2), {choose.choice("xy"): [number, {"é": None}]}
        node_id, id = choose.choice(nodes)
        match choose.randrange(12):
            case 0:
                stats, error = choose.choice([None, {"cost": number}]), None
                status = choose.choice(["RUNNING"] * 6 + ["REVIEW", "QUEUED", "COMPLETED", "FAILED", "TERMINATED"])
                if status == "FAILED":
                    error = f"It broke at {number}."
                said.append(
                    (ExecutionReport, of, {"status": status, "outputs": outputs, "stats": stats, "error": error})
                )
            case 1:
                said.append((ExecutionReport, of, {"status": "RUNNING"}))
            case 2 | 3 | 4:
                said.append((NodeOutputs, of, {"node_id": node_id, "id": id, "outputs": outputs}))
            case _:
                data = choose.choice([{}, {"input_data": {"n": number}}, {"output_data": outputs}, {"block_id": "b"}])
                said.append((NodeReport, of, {"node_id": node_id, "id": id, "status": choose.choice(statuses), **data}))
    return said


class World:
    """Two executions, and what has been told of them; ids and times that differ from world to world are named alike."""

    def __init__(self, graph: Graph, received: Received) -> None:
        self._heard = received
        self._executions = [
            GraphExecution.objects.create(graph=graph, user=graph.owner, status=status, stats={"cost": 1})
            for status in ("RUNNING", "QUEUED")
        ]
        self._ids = [uuid4() for _ in range(3)]
        # Of the former attempt, of this one, and one that ended.
        self._executions[0].attempt = 2
        self._executions[0].save()
        for attempt, status in ((1, "TERMINATED"), (2, "RUNNING"), (2, "QUEUED")):
            NodeExecution.objects.create(
                graph_execution=self._executions[0], node_id="a", attempt=attempt, status=status
            )
        received.clear()

    def reports(self, said: list[tuple[Any, ...]]) -> list[Report]:
        reports = []
        for kind, of, values in said:
            values = dict(values)
            if (id := values.pop("id", None)) is not None:
                values["node_exec_id"] = self._ids[id]
            reports.append(kind(self._executions[of], **values))
        return reports

    def after(self) -> tuple[Any, Any]:
        """Its events and its rows."""
        pks = [each.pk for each in self._executions]
        stored = [
            *GraphExecution.objects.filter(pk__in=pks).order_by("created_at").values(),
            *NodeExecution.objects.filter(graph_execution__in=pks).order_by("add_time").values(),
        ]
        names = {str(row["id"]): f"#{number}" for number, row in enumerate(stored)}
        told: list[Any] = []
        # At an end the nodes are told in the order of their ids, which differs from world to world.
        by_end = groupby(self._heard.events, lambda event: event.status == "TERMINATED")
        for is_end, events in by_end:
            plain = [self._plain(event.model_dump(mode="json"), names) for event in events]
            told += sorted(plain, key=str) if is_end else plain
        return told, [self._plain(row, names) for row in stored]

    @staticmethod
    def _plain(row: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
        return {
            name: value is not None if name in TIMES else names.get(str(value), value)
            for name, value in row.items()
            if name != "created_at"
        }


@pytest.mark.parametrize("seed", range(25))
def test_a_batch_does_what_its_reports_do_one_by_one(graph: Graph, received: Received, seed: int) -> None:
    choose = random.Random(seed)
    first, second, third = World(graph, received), World(graph, received), World(graph, received)
    legal, wrong = [], []
    received.clear()
    for each in random_reports(choose, 60):
        try:
            with transaction.atomic():
                by_saves(first.reports([each]))
            legal.append(each)
        except ValueError as error:
            wrong.append((len(legal), each, type(error)))
    assert len(legal) > 5
    by_saves_after = first.after()
    received.clear()
    by_verbs(second.reports(legal))
    assert second.after() == by_saves_after
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
    assert third.after() == by_saves_after


def test_what_is_returned_is_what_is_stored(run: GraphExecution) -> None:
    id = uuid4()
    told = report_all(
        [
            NodeReport(run, node_id="a", status="QUEUED", input_data={"when": run.created_at}),
            NodeReport(run, node_id="b", status="RUNNING", block_id="é", node_exec_id=str(id).upper()),
            NodeOutputs(run, node_id="b", outputs={"x": [1.5, None, "\u2028", 10**30]}),
            NodeReport(run, node_id="a", status="RUNNING"),
            ExecutionReport(run, status="RUNNING", outputs={"x": [True]}),
        ]
    )
    a, b, same_b, same_a, execution = told
    assert (same_a is a, same_b is b) == (True, True)
    for row in (a, b, execution):
        stored = type(row)._base_manager.get(pk=row.pk)
        fields = [field.attname for field in row._meta.concrete_fields]
        assert {name: getattr(row, name) for name in fields} == {name: getattr(stored, name) for name in fields}
        assert row._state.adding is False
    assert b.pk == id


def test_a_row_that_a_batch_has_made_can_be_saved_and_reported_on(run: GraphExecution) -> None:
    (node,) = report_all([NodeReport(run, node_id="a", status="RUNNING")])
    assert isinstance(node, NodeExecution)
    node.output_data = {"x": [1]}
    node.save()
    report_all([NodeReport(run, node_id="a", status="COMPLETED")])
    assert NodeExecution.objects.get().output_data == {"x": [1]}


def test_no_reports_are_nothing(received: Received) -> None:
    assert report_all([]) == []
    assert received == []


# Signals


def test_every_step_is_told_in_the_order_of_the_reports(run: GraphExecution, received: Received) -> None:
    received.clear()
    report_all(
        [
            NodeReport(run, node_id="a", status="QUEUED"),
            NodeReport(run, node_id="a", status="RUNNING"),
            ExecutionReport(run, status="RUNNING", stats={"cost": 1}),
            NodeReport(run, node_id="a", status="COMPLETED"),
            NodeReport(run, node_id="b", status="RUNNING"),
            ExecutionReport(run, status="COMPLETED"),
        ]
    )
    all_of_them, *by_model = received
    assert (all_of_them.name, all_of_them.sender) == ("reports_recorded", None)
    assert [event.status for event in all_of_them.events] == [
        *("QUEUED", "RUNNING", "RUNNING", "COMPLETED", "RUNNING", "TERMINATED", "COMPLETED")
    ]
    assert [(sent.sender, sent.is_bulk, len(sent.events)) for sent in by_model] == [
        (NodeExecution, True, 2),
        (GraphExecution, False, 1),
        (NodeExecution, True, 3),
        (GraphExecution, False, 1),
    ]
    assert [event for sent in by_model for event in sent.events] == all_of_them.events
    assert all(sent.is_inside_transaction for sent in received)


def test_a_report_that_changes_nothing_of_an_execution_tells_nothing(run: GraphExecution, received: Received) -> None:
    received.clear()
    report_all([ExecutionReport(run, status="RUNNING")])
    assert received == []


@pytest.mark.django_db(transaction=True)
def test_the_commit_comes_next_after_a_report_of_one_change(run: GraphExecution, received: Received) -> None:
    received.clear()
    report_node(run, node_id="a", status="RUNNING")
    append_node_outputs(run, node_id="a", outputs={"x": [1]})
    assert [sent.is_last_before_commit for sent in received] == [True, True]
    received.clear()
    with transaction.atomic():
        report_node(run, node_id="b", status="RUNNING")
    report_execution(run, status="COMPLETED")  # with both nodes
    assert [sent.is_last_before_commit for sent in received] == [False, False, False]


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_raises_makes_the_batch_fail(run: GraphExecution, failing_receivers: None) -> None:
    before = rows()
    with pytest.raises(ReceiverError):
        report_all([NodeReport(run, node_id="a", status="RUNNING"), ExecutionReport(run, status="COMPLETED")])
    assert rows() == before


@pytest.mark.django_db(transaction=True)
def test_the_streams_have_every_step_in_order(run: GraphExecution) -> None:
    report_all(
        [
            NodeReport(run, node_id="a", status="QUEUED"),
            ExecutionReport(run, status="RUNNING", stats={"cost": 1}),
            NodeReport(run, node_id="a", status="RUNNING"),
            NodeOutputs(run, node_id="a", outputs={"x": [1]}),
            NodeOutputs(run, node_id="a", outputs={"x": [2]}),
            ExecutionReport(run, status="COMPLETED"),
        ]
    )
    stream = StreamEvent.objects.filter(stream__key__endswith=f"graph_exec#{run.pk}").order_by("seq")
    seqs, texts = zip(*stream.values_list("seq", "data"), strict=True)
    assert [later - sooner for sooner, later in pairwise(seqs)] == [1] * 7
    _, *told = [json.loads(text) for text in texts]
    assert [(each["event_type"][:4], each["status"], each.get("output_data", {}).get("x")) for each in told] == [
        ("node", "QUEUED", None),
        ("grap", "RUNNING", None),
        ("node", "RUNNING", None),
        ("node", "RUNNING", [1]),
        ("node", "RUNNING", [1, 2]),
        ("node", "TERMINATED", [1, 2]),
        ("grap", "COMPLETED", None),
    ]
    assert StreamEvent.objects.filter(stream__key__endswith="executions").count() == 3


# Refusals

WRONG: dict[str, tuple[Callable[[GraphExecution], Report], type[Exception], str]] = {
    "transition": (lambda run: ExecutionReport(run, status="INCOMPLETE"), IllegalTransition, "INCOMPLETE may not"),
    "node's transition": (lambda run: NodeReport(run, node_id="a", status="QUEUED"), IllegalTransition, "QUEUED may"),
    "status": (lambda run: NodeReport(run, node_id="a", status="DONE"), ValueError, "not a valid ExecutionStatus"),
    "unknown": (lambda run: NodeOutputs(run, node_id="z", outputs={"x": [1]}), UnknownNode, "no execution of node z"),
    "no UUID": (
        lambda run: NodeOutputs(run, node_id="a", outputs={"x": [1]}, node_exec_id="one"),
        ValueError,
        "node_exec_id is 'one', which is no UUID",
    ),
    "NUL": (
        lambda run: NodeReport(run, node_id="a", status="RUNNING", output_data={"x": ["\0"]}),
        UnstorableValue,
        r"output_data.x\[0\] holds the character U\+0000",
    ),
    "NUL in an id": (lambda run: NodeReport(run, node_id="\0", status="RUNNING"), UnstorableValue, "node_id holds"),
    "long": (lambda run: NodeReport(run, node_id="é" * 256, status="RUNNING"), UnstorableValue, "256 characters"),
    "long block": (
        lambda run: NodeReport(run, node_id="a", status="RUNNING", block_id="b" * 256),
        UnstorableValue,
        "block_id holds 256",
    ),
    "no lists": (
        lambda run: NodeReport(run, node_id="a", status="RUNNING", output_data={"x": 1}),  # type: ignore[dict-item]
        ValueError,
        "output_data.x",
    ),
    "no end": (
        lambda run: ExecutionReport(run, status="RUNNING", error="x"),
        ValueError,
        "finishes as COMPLETED or FAILED, not as RUNNING",
    ),
    "gone": (
        lambda run: ExecutionReport(GraphExecution(), status="RUNNING"),
        GraphExecution.DoesNotExist,
        "There is no execution",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_report_is_named_and_nothing_is_changed(run: GraphExecution, received: Received, name: str) -> None:
    wrong, kind, message = WRONG[name]
    received.clear()
    before = rows()
    with transaction.atomic():
        with pytest.raises(ReportRefused, match=f"(?s)Report 2: .*{message}") as caught:
            report_all(
                [
                    ExecutionReport(run, status="RUNNING", outputs={"x": [1]}),
                    NodeReport(run, node_id="a", status="RUNNING"),
                    wrong(run),
                    ExecutionReport(run, status="COMPLETED"),
                ]
            )
        assert isinstance(caught.value.error, kind)
        assert rows() == before, "and the transaction around it goes on"
    assert received == []


def test_what_ends_in_the_batch_has_ended_for_the_rest_of_it(run: GraphExecution) -> None:
    node, end = NodeReport(run, node_id="a", status="RUNNING"), ExecutionReport(run, status="FAILED", error="x")
    with pytest.raises(ReportRefused) as caught:
        report_all([node, end, node])
    assert (caught.value.index, type(caught.value.error)) == (2, ExecutionHasEnded)
    done = NodeReport(run, node_id="a", status="COMPLETED")
    with pytest.raises(ReportRefused) as caught:
        report_all([done, NodeOutputs(run, node_id="a", outputs={"x": [1]})])
    assert (caught.value.index, type(caught.value.error)) == (1, NodeHasEnded)


def test_an_id_that_another_execution_has_is_refused(run: GraphExecution, graph: Graph, user: User) -> None:
    other = GraphExecution.objects.create(graph=graph, user=user, status="RUNNING")
    theirs = report_node(other, node_id="a", status="RUNNING")
    for id in (theirs.pk, str(theirs.pk)):
        with pytest.raises(ReportRefused) as caught:
            report_all([NodeReport(run, node_id="a", status="RUNNING", node_exec_id=id)])
        assert type(caught.value.error) is NodeMismatch
    # Also where the batch itself has made it.
    id = uuid4()
    reports = [NodeReport(each, node_id="a", status="RUNNING", node_exec_id=id) for each in (run, other)]
    with pytest.raises(ReportRefused) as caught:
        report_all(reports)
    assert (caught.value.index, type(caught.value.error)) == (1, NodeMismatch)


def test_more_reports_than_one_transaction_may_have_are_refused(run: GraphExecution, settings: Any) -> None:
    settings.EXECUTIONS = {"MAX_BULK_EVENTS": 2}
    with pytest.raises(TooManyEvents, match="MAX_BULK_EVENTS"):
        report_all([NodeReport(run, node_id="a", status="RUNNING")] * 3)


# What it costs


def mixed(run: GraphExecution, count: int) -> list[Report]:
    """New nodes and old ones, with an id and without, appended to, between reports of the execution."""
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
def test_ten_times_the_reports_are_the_same_statements(run: GraphExecution) -> None:
    report_all([NodeReport(run, node_id="old", status="RUNNING")])
    report_all(mixed(run, 5))  # the streams exist
    statements = []
    for count in (10, 80):  # a hundred events are one INSERT into the log, which needs two of them here
        with CaptureQueriesContext(connection) as queries:
            report_all(mixed(run, count))
        statements.append([each["sql"].split("(")[0].split(" SET ")[0].strip() for each in queries])
    assert statements[0] == statements[1]
    assert len(statements[0]) <= 17, statements[0]


@pytest.mark.django_db(transaction=True)
def test_a_thousand_reports_of_many_executions_are_a_few_statements(graph: Graph, user: User) -> None:
    runs = [GraphExecution(graph=graph, user=user, status="RUNNING") for _ in range(50)]
    GraphExecution.objects.bulk_create(runs)
    reports = [NodeReport(each, node_id=f"n{number}", status="QUEUED") for each in runs for number in range(20)]
    with CaptureQueriesContext(connection) as queries:
        report_all(reports)
    ours = [each["sql"] for each in queries if '"executions_' in each["sql"]]
    assert len(ours) == 3  # the executions, the nodes that are there, the nodes that are made
    assert NodeExecution.objects.count() == 1_000


# At once


@pytest.mark.django_db(transaction=True)
def test_of_two_batches_at_once_the_second_sees_what_the_first_has_done(
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
