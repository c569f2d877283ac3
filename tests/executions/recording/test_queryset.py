"""What all bulk writes share: the limit, the transaction, failing receivers, locks."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from executions.models import GraphExecution
from executions.recording.queryset import TooManyEvents
from tests.executions.conftest import InThread, Received, ReceiverError, wait_for_blocked_transaction
from tests.executions.recording.conftest import ALL, statuses

pytestmark = pytest.mark.django_db


def test_too_many_rows_are_an_error_that_names_the_setting(
    executions: list[GraphExecution], received: Received, settings: Any
) -> None:
    settings.EXECUTIONS = {"MAX_BULK_EVENTS": 5}
    more = [GraphExecution(graph_id=row.graph_id, user_id=row.user_id) for row in executions]
    with transaction.atomic():
        for verb, write in bulk_writes(executions, more).items():
            with pytest.raises(TooManyEvents) as caught:
                write()
            assert str(caught.value) == (
                f"{verb}() would record an event for each of more than 5 rows in one transaction. Write them in parts, "
                'for example by slices of primary keys, or raise settings.EXECUTIONS["MAX_BULK_EVENTS"].'
            )
        assert statuses() == {"QUEUED"}
    assert ALL.count() == 6
    assert received == []
    assert ALL.update(runner="r1") == 6  # no events, so no limit
    settings.EXECUTIONS = {"MAX_BULK_EVENTS": 6}
    for write in bulk_writes(executions, more).values():
        write()


def bulk_writes(rows: list[GraphExecution], new: list[GraphExecution]) -> dict[str, Callable[[], Any]]:
    return {
        "update": lambda: ALL.filter(pk__in=[row.pk for row in rows]).update(is_shared=True),
        "bulk_update": lambda: ALL.bulk_update(rows, ["status"]),
        "bulk_create": lambda: ALL.bulk_create(new),
    }


@pytest.mark.django_db(transaction=True)
def test_bulk_signals_are_sent_inside_the_transaction(executions: list[GraphExecution], received: Received) -> None:
    more = [GraphExecution(graph_id=row.graph_id, user_id=row.user_id) for row in executions]
    for write in bulk_writes(executions, more).values():
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
        bulk_writes(executions, more)[verb]()
    assert statuses() == {"QUEUED"}
    assert ALL.count() == 6


@pytest.mark.django_db(transaction=True)
async def test_async_bulk_writes_send_the_same_signals(executions: list[GraphExecution], received: Received) -> None:
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


@pytest.mark.django_db(transaction=True)
def test_a_row_that_no_longer_matches_once_it_is_locked_is_not_changed(
    executions: list[GraphExecution], received: Received, in_thread: InThread
) -> None:
    """Two concurrent claims of queued rows never claim the same row."""
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
def test_concurrent_updates_of_the_same_rows_in_different_orders_do_not_deadlock(
    executions: list[GraphExecution], in_thread: InThread
) -> None:
    orders = ["pk", "-pk", "preset_id", "-preset_id"]

    def write(order: str) -> None:
        for number in range(10):
            ALL.order_by(order).update(outputs={order: [number]})

    for done in [in_thread(lambda order=order: write(order)) for order in orders]:
        done.result(60)
    assert len({str(row.outputs) for row in ALL.all()}) == 1
