"""The jobs of executions are registered, and a run that has not ended keeps its events."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from executions.models import Graph, GraphExecution, Notification
from executions.services import notify_user, report_execution, start_execution
from executions.statuses import ENDED, ExecutionStatus
from realtime import streams
from realtime.bridge.housekeeping import is_running
from realtime.housekeeping.jobs import all_jobs
from realtime.housekeeping.runner import run_due
from realtime.models import HousekeepingJob, Stream, StreamEvent
from realtime.publish import publish

pytestmark = pytest.mark.django_db(transaction=True)


def test_all_jobs_run_by_themselves() -> None:
    run_due()
    assert sorted(HousekeepingJob.objects.values_list("name", flat=True)) == [
        *("ended_executions", "expired_leases", "idempotent_answers", "leftovers", "old_events", "read_notifications")
    ]
    assert all_jobs()["expired_leases"].interval() < 10 < all_jobs()["old_events"].interval()


@pytest.mark.parametrize("status", list(ExecutionStatus))
def test_which_statuses_run(graph: Graph, user: User, status: ExecutionStatus) -> None:
    execution = GraphExecution.objects.create(graph=graph, user=user, status=status)
    assert is_running(str(execution.pk)) is (status not in ENDED)


@pytest.mark.parametrize("id", ["7", "", "00000000-0000-0000-0000-000000000000"])
def test_an_execution_that_does_not_exist_does_not_run(id: str) -> None:
    assert is_running(id) is False


@pytest.mark.parametrize("status", ["QUEUED", "RUNNING", "REVIEW", "COMPLETED"])
def test_a_year_old_execution_that_has_not_ended_keeps_every_event(graph: Graph, user: User, status: str) -> None:
    execution = start_execution(graph, user=user)
    for each in {"QUEUED": (), "RUNNING": ("RUNNING",)}.get(status, ("RUNNING", status)):
        report_execution(execution, status=each)
    key = streams.graph_exec(str(user.pk), str(execution.pk))
    publish(key, "changed", "graph", {})
    StreamEvent.objects.update(created_at=timezone.now() - timedelta(days=365))
    run_due()
    stream = Stream.objects.get(key=key)
    kept = list(stream.events.order_by("seq").values_list("seq", flat=True))
    if status == "COMPLETED":
        assert (stream.floor, kept) == (stream.head, [stream.head])
    else:
        assert (stream.floor, kept) == (0, list(range(1, stream.head + 1)))


def test_a_read_notification_goes_with_its_event(user: User) -> None:
    notify_user(user, type="info", event="old")
    Notification.objects.update(read_at=timezone.now() - timedelta(days=31))
    assert run_due()["read_notifications"] == {"notifications": 1}
    newest = StreamEvent.objects.order_by("-id").first()
    assert newest
    assert newest.method == "notification_deleted"
