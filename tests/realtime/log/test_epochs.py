"""New epochs for streams."""

from typing import Any

import pytest

from executions.services import report_execution
from realtime import streams
from realtime.hub.registry import hub_of_this_loop
from realtime.hub.sweep import sweep
from realtime.log import epochs
from realtime.log.epochs import renew_in_batches
from realtime.models import Stream
from realtime.publish import publish
from tests.database import in_db
from tests.realtime.side_by_side import Thread

pytestmark = pytest.mark.django_db(transaction=True)


def test_every_stream_gets_a_new_epoch_and_keeps_its_head_and_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs, "_BATCH_SIZE", 2)
    for number in range(5):
        publish(f"u1|orders#{number}", "changed", "a", {})
    before = {stream.key: stream for stream in Stream.objects.all()}
    assert list(renew_in_batches()) == [2, 2, 1]
    for stream in Stream.objects.all():
        assert (stream.head, stream.floor) == (before[stream.key].head, before[stream.key].floor)
        assert stream.epoch != before[stream.key].epoch
    assert len(set(Stream.objects.values_list("epoch", flat=True))) == 5


def test_a_writer_beside_the_renewal_loses_no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs, "_BATCH_SIZE", 2)

    def write() -> None:
        for number in range(20):
            publish(f"u1|orders#{number % 5}", "changed", "a", {})

    writer = Thread(write)
    while writer.is_running:
        sum(renew_in_batches())
    writer.result()
    assert set(Stream.objects.values_list("head", flat=True)) == {4}


async def test_the_sweep_tells_an_open_socket_which_gets_a_snapshot(
    live_client: Any, user: Any, execution: Any, settings: Any
) -> None:
    settings.REALTIME = {"SWEEP_INTERVAL": 3_600.0, "SWEEP_GRACE": 0.0}
    client = await live_client(user)
    await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 1})
    await in_db(lambda: sum(renew_in_batches()))()
    key = streams.graph_exec(str(user.pk), str(execution.pk))
    epoch = await in_db(lambda: Stream.objects.get(key=key).epoch)()
    await sweep(hub_of_this_loop())
    reset, snapshot = await client.frames(2)
    assert reset["data"] == {"epoch": epoch, "head": 1, "recovered": False}
    assert (snapshot["seq"], snapshot["data"]["status"]) == (1, "QUEUED")
    await in_db(report_execution)(execution, status="RUNNING")
    assert (await client.frame())["seq"] == 2
