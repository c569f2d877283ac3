"""Bulk writes: one block, all or none, one signal with an event for each row, in the order of the primary keys."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import IntegrityError, NotSupportedError, connection, transaction
from django.db.models import Case, Count, F, Value, When
from django.db.models.functions import Concat
from django.utils import timezone

from executions.models import Graph, GraphExecution, NodeExecution, Notification
from executions.recording.queryset import TooManyEvents
from executions.statuses import IllegalTransition
from executions.storable import UnstorableValue
from tests.executions.conftest import NODES, InThread, Received, ReceiverError, Statements, wait_for_blocked_transaction

pytestmark = pytest.mark.django_db
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

ALL = GraphExecution.objects


@pytest.fixture
def executions(graph: Graph, user: User) -> list[GraphExecution]:
    """Six, in the order of their primary keys, which is not the one in which they were made."""
    made = [ALL.create(graph=graph, user=user, preset_id=str(number)) for number in range(6)]
    return sorted(made, key=lambda each: each.pk)


def events_of(rows: list[GraphExecution]) -> list[Any]:
    return [ALL.get(pk=row.pk).to_event() for row in sorted(rows, key=lambda each: each.pk)]


def statuses() -> set[str]:
    return set(ALL.values_list("status", flat=True))


# update()


def test_update_tells_each_row_once_in_one_signal(executions: list[GraphExecution], received: Received) -> None:
    assert ALL.filter(status="QUEUED").update(status="RUNNING", outputs={"a": [1]}) == 6
    assert [(sent.name, sent.sender, sent.is_bulk) for sent in received] == [
        ("graph_execution_changed", GraphExecution, True)
    ]
    assert received.events == events_of(executions)
    assert {event.status for event in received.events} == {"RUNNING"}


@pytest.mark.parametrize("rows", [ALL.order_by("pk").reverse(), ALL.reverse(), ALL.order_by("-pk", "preset_id")])
def test_the_order_is_that_of_the_primary_keys_whatever_the_querysets_own(
    executions: list[GraphExecution], received: Received, monkeypatch: pytest.MonkeyPatch, rows: Any
) -> None:
    monkeypatch.setattr("executions.recording.queryset._CHUNK", 2)
    rows.all().update(status="RUNNING")
    assert [event.id for event in received.events] == [str(row.pk) for row in executions]


def test_update_of_no_rows_is_not_told(executions: list[GraphExecution], received: Received) -> None:
    assert ALL.filter(status="REVIEW").update(status="RUNNING") == 0
    assert ALL.none().update(status="RUNNING") == 0
    assert received == []


def test_an_update_that_touches_no_field_of_an_event_is_not_told(
    executions: list[GraphExecution], received: Received, statements: Statements
) -> None:
    with statements:
        assert ALL.update(runner="r1", lease_expires_at=timezone.now()) == 6
    assert statements.verbs == ["UPDATE"]
    assert received == []


@pytest.mark.parametrize("name", ["user", "user_id"])
def test_a_change_of_owner_is_told_by_either_name(
    executions: list[GraphExecution], other_user: User, received: Received, name: str
) -> None:
    ALL.update(**{name: other_user.pk})
    assert {event.user_id for event in received.events} == {str(other_user.pk)}
    assert len(received.events) == 6


def test_if_one_row_may_not_change_none_does(executions: list[GraphExecution], received: Received) -> None:
    ALL.exclude(pk=executions[3].pk).update(status="RUNNING")
    received.clear()
    with transaction.atomic():
        with pytest.raises(IllegalTransition, match="COMPLETED may not follow QUEUED") as caught:
            ALL.update(status="COMPLETED")
        assert statuses() == {"RUNNING", "QUEUED"}  # and the transaction around it goes on
    assert caught.value.__notes__ == [f"Of the row {executions[3].pk}."]
    assert received == []


@pytest.mark.parametrize("status", [F("runner"), Value("RUNNING"), Case(When(pk=None, then=Value("FAILED")))])
def test_the_status_of_an_update_is_a_constant(
    executions: list[GraphExecution], received: Received, status: Any
) -> None:
    with pytest.raises(ValueError, match="status can only be written as a constant"):
        ALL.update(status=status)
    with pytest.raises(ValueError, match="'DONE' is not a valid ExecutionStatus"):
        ALL.update(status="DONE")
    assert statuses() == {"QUEUED"}
    assert received == []


def test_times_follow_the_status_of_an_update(executions: list[GraphExecution], received: Received) -> None:
    first, *_ = executions
    ALL.filter(pk=first.pk).update(started_at=LONG_AGO)
    before = timezone.now()
    ALL.update(status="RUNNING")
    started = {row.pk: row.started_at for row in ALL.all()}
    assert started.pop(first.pk) == LONG_AGO
    assert all(moment and moment >= before for moment in started.values())
    ALL.update(status="TERMINATED")
    assert not ALL.filter(ended_at__isnull=True).exists()
    ALL.update(status="QUEUED")
    assert not ALL.filter(ended_at__isnull=False).exists()
    ALL.update(status="RUNNING")
    ALL.update(status="COMPLETED", ended_at=LONG_AGO)
    assert set(ALL.values_list("ended_at", flat=True)) == {LONG_AGO}
    assert received.events[-6:] == events_of(executions)


def test_nodes_have_times_of_their_own(execution: GraphExecution, received: Received) -> None:
    nodes = NodeExecution.objects
    nodes.create(graph_execution=execution, node_id="split", status="INCOMPLETE")
    for status in ("QUEUED", "RUNNING", "COMPLETED"):
        nodes.update(status=status)
    node = nodes.get()
    assert node.queue_time
    assert node.start_time
    assert node.end_time
    assert node.add_time <= node.queue_time <= node.start_time <= node.end_time
    assert received.events[-1] == node.to_event()


def test_expressions_annotations_and_joins_work_as_in_django(
    executions: list[GraphExecution], user: User, received: Received
) -> None:
    NodeExecution.objects.bulk_create(
        [NodeExecution(graph_execution=executions[0], node_id=str(number)) for number in range(3)]
    )
    received.clear()
    annotated = ALL.annotate(label=Concat("preset_id", Value("!"))).filter(label="2!")
    assert annotated.update(preset_id=F("label")) == 1
    assert received.event.preset_id == "2!"
    received.clear()
    assert (
        ALL.annotate(count=Count("node_executions")).filter(count=3).update(graph_version=F("graph_version") + 1) == 1
    )
    assert [(event.id, event.graph_version) for event in received.events] == [(str(executions[0].pk), 2)]
    received.clear()
    assert ALL.filter(node_executions__status="QUEUED").update(is_dry_run=True) == 1  # three joined rows
    assert ALL.filter(graph__owner=user).distinct().order_by("-created_at").update(is_shared=True) == 6
    assert len(received.events) == 7
    assert executions[0].node_executions.filter(graph_execution__user=user).update(status="RUNNING") == 3
    assert [event.status for event in received.events[7:]] == ["RUNNING"] * 3


def test_what_django_refuses_is_refused(executions: list[GraphExecution], received: Received) -> None:
    with pytest.raises(TypeError, match="slice"):
        ALL.order_by("pk")[:2].update(status="RUNNING")
    with pytest.raises(NotSupportedError):
        ALL.filter(status="QUEUED").union(ALL.all()).update(status="RUNNING")
    with pytest.raises(FieldDoesNotExist):
        ALL.update(colour="red")
    assert ALL.update() == 0 or received == []


def test_an_id_cannot_change(executions: list[GraphExecution]) -> None:
    with pytest.raises(ValueError, match="id of a row that has a history cannot change"):
        ALL.filter(pk=executions[0].pk).update(id=uuid4())


def test_an_update_refuses_what_cannot_be_kept(executions: list[GraphExecution], received: Received) -> None:
    with pytest.raises(UnstorableValue, match=r"outputs\.result\[0\] holds NaN"), transaction.atomic():
        ALL.update(outputs={"result": [float("nan")]})
    with pytest.raises(UnstorableValue, match=r"preset_id holds the character U\+0000"), transaction.atomic():
        ALL.update(preset_id="\x00")
    assert received == []


def test_an_update_asks_a_few_statements_however_many_rows(
    executions: list[GraphExecution], statements: Statements
) -> None:
    with statements:
        ALL.update(status="RUNNING")
    assert statements.verbs == ["SELECT", "UPDATE", "SELECT"]


def test_rows_are_read_again_in_chunks(
    executions: list[GraphExecution], received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("executions.recording.queryset._CHUNK", 4)
    assert ALL.update(status="RUNNING") == 6
    assert len(received) == 1
    assert received.events == events_of(executions)


def test_too_many_rows_are_an_error_that_names_the_cure(
    executions: list[GraphExecution], received: Received, settings: Any
) -> None:
    settings.EXECUTIONS = {"MAX_BULK_EVENTS": 5}
    more = [GraphExecution(graph_id=row.graph_id, user_id=row.user_id) for row in executions]
    with transaction.atomic():
        for verb, write in BULK_WRITES(executions, more).items():
            with pytest.raises(TooManyEvents) as caught:
                write()
            assert str(caught.value) == (
                f"{verb}() would record an event for each of more than 5 rows in one transaction. Write them in parts, "
                'for example by slices of primary keys, or raise settings.EXECUTIONS["MAX_BULK_EVENTS"].'
            )
        assert statuses() == {"QUEUED"}
    assert ALL.count() == 6
    assert received == []
    assert ALL.update(runner="r1") == 6  # nothing to tell, so no limit
    settings.EXECUTIONS = {"MAX_BULK_EVENTS": 6}
    for write in BULK_WRITES(executions, more).values():
        write()


def BULK_WRITES(  # noqa: N802 - a table
    rows: list[GraphExecution], new: list[GraphExecution]
) -> dict[str, Callable[[], Any]]:
    return {
        "update": lambda: ALL.filter(pk__in=[row.pk for row in rows]).update(is_shared=True),
        "bulk_update": lambda: ALL.bulk_update(rows, ["status"]),
        "bulk_create": lambda: ALL.bulk_create(new),
    }


@pytest.mark.django_db(transaction=True)
def test_bulk_signals_are_sent_inside_the_transaction(executions: list[GraphExecution], received: Received) -> None:
    more = [GraphExecution(graph_id=row.graph_id, user_id=row.user_id) for row in executions]
    for write in BULK_WRITES(executions, more).values():
        write()
    assert [(sent.is_bulk, sent.is_inside_transaction) for sent in received] == [(True, True)] * 3
    assert not connection.in_atomic_block


@pytest.mark.parametrize("verb", ["update", "bulk_update", "bulk_create"])
def test_a_receiver_that_raises_makes_a_bulk_write_fail(
    executions: list[GraphExecution], failing_receivers: None, verb: str
) -> None:
    for row in executions:
        row.status = "FAILED"
    more = [GraphExecution(graph_id=row.graph_id, user_id=row.user_id) for row in executions]
    with pytest.raises(ReceiverError), transaction.atomic():
        BULK_WRITES(executions, more)[verb]()
    assert statuses() == {"QUEUED"}
    assert ALL.count() == 6


@pytest.mark.django_db(transaction=True)
async def test_the_async_twins_tell_the_same(executions: list[GraphExecution], received: Received) -> None:
    assert await ALL.aupdate(status="RUNNING") == 6
    for row in executions:
        row.status = "COMPLETED"
    await ALL.abulk_update(executions, ["status"])
    await ALL.abulk_create([GraphExecution(graph_id=executions[0].graph_id, user_id=executions[0].user_id)])
    assert [(sent.is_bulk, len(sent.events), sent.events[0].status) for sent in received] == [
        (True, 6, "RUNNING"),
        (True, 6, "COMPLETED"),
        (True, 1, "QUEUED"),
    ]


# bulk_create()


def test_bulk_create_tells_each_row(graph: Graph, user: User, received: Received) -> None:
    made = ALL.bulk_create(
        [
            GraphExecution(id=str(uuid4()), graph=graph, user=user, inputs={"at": LONG_AGO}),
            GraphExecution(graph=graph, user=user, status="RUNNING"),
            GraphExecution(graph=graph, user=user, status="COMPLETED", started_at=LONG_AGO),
        ]
    )
    assert len(received) == 1
    assert received.events == events_of(made)
    assert made[0].inputs == {"at": "2020-01-01T00:00:00Z"}
    assert made[1].started_at
    assert made[2].ended_at


def test_bulk_create_of_nodes_asks_for_their_executions_once(
    executions: list[GraphExecution], statements: Statements, received: Received
) -> None:
    with statements:
        nodes = NodeExecution.objects.bulk_create(
            [NodeExecution(graph_execution_id=row.pk, node_id="split") for row in executions]
        )
    assert statements.verbs == ["INSERT", "SELECT"]
    assert [event.node_exec_id for event in received.events] == sorted(str(node.pk) for node in nodes)


@pytest.mark.parametrize("options", [{"ignore_conflicts": True}, {"update_conflicts": True}])
def test_bulk_create_refuses_to_hide_what_it_wrote(
    graph: Graph, user: User, received: Received, options: dict[str, Any]
) -> None:
    with pytest.raises(NotSupportedError, match="cannot ignore or update conflicts"):
        ALL.bulk_create([GraphExecution(graph=graph, user=user)], **options)
    assert received == []


def test_bulk_create_is_all_or_none(executions: list[GraphExecution], received: Received) -> None:
    new = GraphExecution(graph_id=executions[0].graph_id, user_id=executions[0].user_id)
    with pytest.raises(IntegrityError), transaction.atomic():
        ALL.bulk_create([new, executions[0]])
    with pytest.raises(ValueError, match="not a valid ExecutionStatus"):
        ALL.bulk_create([new, GraphExecution(graph_id=new.graph_id, user_id=new.user_id, status="DONE")])
    assert ALL.count() == 6
    assert received == []


def test_bulk_create_of_nothing_is_nothing(received: Received) -> None:
    assert ALL.bulk_create([]) == []
    assert received == []


# bulk_update()


def test_bulk_update_tells_each_row_once_and_each_may_have_a_status_of_its_own(
    executions: list[GraphExecution], received: Received
) -> None:
    new = ["RUNNING", "FAILED", "TERMINATED", "QUEUED", "RUNNING", "FAILED"]
    for row, status in zip(executions, new, strict=True):
        row.status, row.outputs = status, {"status": [status]}
    assert ALL.bulk_update(reversed(executions), ["status", "outputs"], batch_size=4) == 6
    assert [sent.is_bulk for sent in received] == [True]
    assert [event.status for event in received.events] == new
    assert received.events == events_of(executions)
    # Times follow, in the rows and on the objects.
    for row in executions:
        row_again = ALL.get(pk=row.pk)
        assert (row.started_at, row.ended_at) == (row_again.started_at, row_again.ended_at)
        assert (row.started_at is not None) == (row.status == "RUNNING")
        assert (row.ended_at is not None) == (row.status in ("FAILED", "TERMINATED"))


def test_bulk_update_with_stale_objects_keeps_the_times_of_the_rows(executions: list[GraphExecution]) -> None:
    first, second = executions[:2]
    ALL.filter(pk=first.pk).update(status="RUNNING", started_at=LONG_AGO)
    first.status, second.status = "RUNNING", "TERMINATED"
    ALL.bulk_update([first, second], ["status"])
    assert ALL.get(pk=first.pk).started_at == first.started_at == LONG_AGO
    assert ALL.get(pk=second.pk).started_at is None


def test_bulk_update_takes_times_that_are_given(executions: list[GraphExecution]) -> None:
    first, second = executions[:2]
    first.status, first.started_at = "RUNNING", LONG_AGO
    second.status = "RUNNING"
    ALL.bulk_update([first, second], ["status", "started_at"])
    assert ALL.get(pk=first.pk).started_at == LONG_AGO
    assert ALL.get(pk=second.pk).started_at


def test_bulk_update_with_one_illegal_status_changes_nothing(
    executions: list[GraphExecution], received: Received
) -> None:
    for row in executions:
        row.status = "RUNNING"
    executions[4].status = "REVIEW"
    with transaction.atomic():
        with pytest.raises(IllegalTransition, match="REVIEW may not follow QUEUED"):
            ALL.bulk_update(executions, ["status"])
        assert statuses() == {"QUEUED"}
    assert received == []
    assert {row.started_at for row in executions} == {None}
    executions[4].status = F("runner")
    with pytest.raises(ValueError, match="constant"):
        ALL.bulk_update(executions, ["status"])


def test_bulk_update_takes_the_first_of_objects_that_are_one_row_and_skips_rows_that_are_gone(
    executions: list[GraphExecution], received: Received
) -> None:
    row = executions[0]
    again = GraphExecution(pk=str(row.pk), status="FAILED")
    gone = GraphExecution(status="RUNNING")
    row.status = "RUNNING"
    assert ALL.bulk_update([row, again, gone], ["status"], batch_size=1) == 1
    assert received.event.status == "RUNNING"


def test_bulk_update_of_a_filtered_queryset_writes_only_what_it_holds(
    executions: list[GraphExecution], received: Received
) -> None:
    for row in executions:
        row.status = "RUNNING"
    assert ALL.filter(preset_id__in=["1", "2"]).bulk_update(executions, ["status"]) == 2
    assert sorted(event.preset_id for event in received.events) == ["1", "2"]


def test_bulk_update_that_touches_no_field_of_an_event_is_not_told(
    executions: list[GraphExecution], received: Received
) -> None:
    for row in executions:
        row.runner = "r1"
    assert ALL.bulk_update(executions, ["runner"]) == 6
    assert received == []
    assert set(ALL.values_list("runner", flat=True)) == {"r1"}


def test_bulk_update_writes_json_null_and_expressions_as_django_does(
    executions: list[GraphExecution], received: Received
) -> None:
    first, second, *_ = executions
    first.stats, second.stats = {"cost": 3}, None
    first.graph_version, second.graph_version = F("graph_version") + 1, 7
    ALL.bulk_update([first, second], ["stats", "graph_version"])
    assert [(event.stats and event.stats.cost, event.graph_version) for event in received.events] == [(3, 2), (None, 7)]
    assert ALL.filter(stats__isnull=True).count() == 5


def test_bulk_update_refuses_what_django_and_json_refuse(executions: list[GraphExecution], received: Received) -> None:
    executions[0].outputs = {"result": [float("inf")]}
    with pytest.raises(UnstorableValue, match="holds Infinity"), transaction.atomic():
        ALL.bulk_update(executions, ["outputs"])
    with pytest.raises(ValueError, match="primary key"):
        ALL.bulk_update(executions, ["id"])
    with pytest.raises(ValueError, match="Field names must be given"):
        ALL.bulk_update(executions, [])
    executions[0].pk = None
    with pytest.raises(ValueError, match="must have a primary key"):
        ALL.bulk_update(executions, ["outputs"])
    assert ALL.bulk_update([], ["status"]) == 0
    assert received == []


# At once


@pytest.mark.django_db(transaction=True)
def test_a_row_that_no_longer_matches_when_its_lock_is_had_is_left_alone(
    executions: list[GraphExecution], received: Received, in_thread: InThread
) -> None:
    """Two that claim what is queued never claim the same."""
    row = ALL.filter(pk=executions[0].pk)
    is_claimed, may_commit = threading.Event(), threading.Event()

    def claim() -> int:
        with transaction.atomic():
            count = row.all().filter(status="QUEUED").update(status="RUNNING", runner="first")
            is_claimed.set()
            may_commit.wait(30)
            return count

    first = in_thread(claim)
    assert is_claimed.wait(30)
    second = in_thread(lambda: row.all().filter(status="QUEUED").update(status="RUNNING", runner="second"))
    wait_for_blocked_transaction()
    may_commit.set()
    assert (first.result(30), second.result(30)) == (1, 0)
    assert row.get().runner == "first"
    assert len(received) == 1


@pytest.mark.django_db(transaction=True)
def test_updates_of_the_same_rows_in_other_orders_do_not_deadlock(
    executions: list[GraphExecution], in_thread: InThread
) -> None:
    orders = ["pk", "-pk", "preset_id", "-preset_id"]

    def write(order: str) -> None:
        for number in range(10):
            ALL.order_by(order).update(outputs={order: [number]})

    for done in [in_thread(lambda order=order: write(order)) for order in orders]:
        done.result(60)
    assert len({str(row.outputs) for row in ALL.all()}) == 1


# Graphs


def test_nodes_and_links_are_only_changed_by_save(graph: Graph, received: Received) -> None:
    for name in ("nodes", "links"):
        with pytest.raises(ValueError, match=rf"{name}: only save\(\) changes them"):
            Graph.objects.update(**{name: []})
        with pytest.raises(ValueError, match=rf"{name}: only save\(\) changes them"):
            Graph.objects.bulk_update([graph], ["name", name])
    graph.name = "Renamed"
    Graph.objects.bulk_update([graph], ["name"])
    assert Graph.objects.filter(name="Renamed").update(name="Again") == 1
    assert Graph.objects.get().version == 1


def test_graphs_that_are_made_in_bulk_are_checked(user: User) -> None:
    good = Graph(owner=user, name="good", nodes=NODES)
    with pytest.raises(ValidationError, match=r"nodes\[0\].block_id"):
        Graph.objects.bulk_create([good, Graph(owner=user, name="bad", nodes=[{"id": "x"}])])
    assert not Graph.objects.exists()
    Graph.objects.bulk_create([good])
    assert Graph.objects.get().nodes == NODES


# Notifications


def test_bulk_writes_of_notifications(user: User, received: Received) -> None:
    texts = [Notification(user=user, type="info", event=str(number)) for number in range(3)]
    Notification.objects.bulk_create(texts)
    assert [(sent.name, sent.is_bulk, len(sent.events)) for sent in received] == [("notification_created", True, 3)]
    received.clear()
    Notification.objects.update(event="other words")
    assert received == []
    Notification.objects.filter(pk=texts[0].pk).update(read_at=LONG_AGO)
    assert [(sent.name, sent.is_bulk) for sent in received] == [("notification_read", True)]
    received.clear()
    for text in texts:
        text.read_at = timezone.now()
    Notification.objects.bulk_update(texts, ["read_at"])  # one of them was read before
    assert {event.id for event in received.events} == {str(text.pk) for text in texts[1:]}
    assert all(event.read for event in received.events)
    received.clear()
    Notification.objects.update(read_at=None)
    assert [event.read for event in received.events] == [False] * 3
