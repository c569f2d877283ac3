"""Writers whose transactions are SERIALIZABLE, as docs/operations.md describes them."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction

from executions.models import GraphExecution
from executions.services import report_node
from realtime import streams
from realtime.log import store
from realtime.models import StreamEvent
from realtime.publish import publish
from tests.database import in_db
from tests.realtime.conftest import ConnectClient
from tests.realtime.side_by_side import side_by_side
from tests.stories.test_base_protocol import watch
from tests.waiting import until

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

ROUNDS = 20


def in_serializable_transaction(work: Callable[[], Any], before_commit: Callable[[], Any]) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        work()
        before_commit()


def meet(both_have_written: threading.Barrier) -> None:
    """Waits until the other transaction has written, too, unless it has failed."""
    try:
        both_have_written.wait(0.1)
    except threading.BrokenBarrierError:
        both_have_written.reset()


async def test_reports_of_different_nodes_may_collide_and_a_retry_delivers_each_once(
    live_client: ConnectClient, user: User, execution: GraphExecution
) -> None:
    client = await live_client(user)
    await watch(client, execution, after=1)
    both_have_written = threading.Barrier(2)
    failures = []

    def report_with_retries(node_id: str) -> None:
        for number in range(ROUNDS):
            while True:
                try:
                    in_serializable_transaction(
                        lambda number=number: report_node(  # type: ignore[misc]
                            execution, node_id=node_id, status="RUNNING", input_data={"number": number}
                        ),
                        lambda: meet(both_have_written),
                    )
                    break
                except OperationalError as error:  # the documented reaction: repeat the whole transaction
                    failures.append(error)

    await in_db(lambda: side_by_side(lambda: report_with_retries("a"), lambda: report_with_retries("b")))()
    frames = await client.frames(2 * ROUNDS)
    assert [frame["seq"] for frame in frames] == list(range(2, 2 * ROUNDS + 2))
    for node in "ab":
        numbers = [frame["data"]["input_data"]["number"] for frame in frames if frame["data"]["node_id"] == node]
        assert numbers == list(range(ROUNDS))
    assert failures
    assert all(map(store.is_busy, failures))  # so a numbering pass that fails like this is tried again


def test_the_log_itself_adds_no_collision() -> None:
    key = streams.own("orders", "u1", "7")
    both_have_written = threading.Barrier(2)

    def publish_many() -> None:
        for number in range(ROUNDS):
            in_serializable_transaction(
                lambda number=number: publish(key, "order_changed", "order", {"n": number}),  # type: ignore[misc]
                lambda: both_have_written.wait(30),
            )

    side_by_side(publish_many, publish_many)
    until(lambda: not store.find_unnumbered(1))
    assert list(StreamEvent.objects.order_by("seq").values_list("seq", flat=True)) == list(range(1, 2 * ROUNDS + 1))
