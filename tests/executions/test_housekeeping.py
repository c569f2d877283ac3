"""The jobs of executions: expired leases, answers, read notifications, ended executions."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from executions import housekeeping
from executions.api.worker_tokens import create_token
from executions.leases import EMBEDDED, claim_next
from executions.models import Graph, GraphExecution, IdempotentAnswer, Notification
from executions.services import notify_user, report_execution
from tests.executions.api.conftest import ApiClient, ok, refused
from tests.executions.conftest import Received

pytestmark = pytest.mark.django_db

DAY = 86_400.0


def done(job: Callable[[bool], Iterator[dict[str, int]]], *, is_dry_run: bool = False) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counts in job(is_dry_run):
        total.update(counts)
    return dict(+total)


@pytest.fixture
def worker(db: None) -> ApiClient:
    return ApiClient(token=create_token("press")[1])


@pytest.fixture
def held(worker: ApiClient, graph: Graph, user: User) -> GraphExecution:
    """An execution with a lease of one minute."""
    wanted = {"user_id": str(user.pk), "graph_id": str(graph.pk), "lease_seconds": 60}
    made = ok(worker.post("/worker/executions", wanted), 201)
    assert made["lease_seconds"] == 60
    return GraphExecution.objects.get(pk=made["id"])


def let_pass(execution: GraphExecution) -> None:
    past = timezone.now() - timedelta(seconds=1)
    GraphExecution.objects.filter(pk=execution.pk).update(lease_expires_at=past)


def expire() -> dict[str, int]:
    return done(housekeeping.fail_expired_leases)


@pytest.mark.parametrize("status", ["QUEUED", "RUNNING"])
def test_an_execution_of_a_silent_worker_becomes_failed_with_the_reason(
    worker: ApiClient, held: GraphExecution, status: str
) -> None:
    path = f"/worker/executions/{held.pk}"
    ok(worker.post(f"{path}/report", {"status": status}))
    assert expire() == {}
    let_pass(held)
    assert done(housekeeping.fail_expired_leases, is_dry_run=True) == {"runs": 1}
    held.refresh_from_db()
    assert held.status == status
    assert expire() == {"runs": 1}
    held.refresh_from_db()
    assert held.status == "FAILED"
    assert held.stats
    assert held.stats["error"].startswith("The worker “press” did not report for 60 seconds")
    assert refused(worker.post(f"{path}/report", {"status": "COMPLETED"}), 409)["code"] == "illegal_transition"


def test_a_run_of_a_dead_runner_becomes_failed_and_one_of_another_engine_does_not(graph: Graph, user: User) -> None:
    own = GraphExecution.objects.create(graph=graph, user=user, runner=EMBEDDED)
    theirs = GraphExecution.objects.create(graph=graph, user=user, runner="celery")
    claim_next()
    report_execution(theirs, status="RUNNING")
    GraphExecution.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert expire() == {"runs": 1}
    own.refresh_from_db()
    theirs.refresh_from_db()
    assert (own.status, theirs.status) == ("FAILED", "RUNNING")


def test_each_report_and_heartbeat_renews_the_lease(worker: ApiClient, held: GraphExecution) -> None:
    path = f"/worker/executions/{held.pk}"
    batch = {"reports": [{"type": "node", "execution_id": str(held.pk), "node_id": "a", "status": "RUNNING"}]}
    for report in (
        lambda: worker.post(f"{path}/report", {"status": "RUNNING"}),
        lambda: worker.post(f"{path}/nodes", {"node_id": "split", "status": "RUNNING"}),
        lambda: worker.post(f"{path}/nodes/outputs", {"node_id": "split", "outputs": {"a": [1]}}),
        lambda: worker.post(f"{path}/heartbeat"),
        lambda: worker.post("/worker/reports", batch),
    ):
        let_pass(held)
        ok(report())
        assert expire() == {}


def test_without_a_lease_a_worker_may_be_silent(worker: ApiClient, graph: Graph, user: User) -> None:
    made = ok(worker.post("/worker/executions", {"user_id": str(user.pk), "graph_id": str(graph.pk)}), 201)
    assert GraphExecution.objects.get(pk=made["id"]).lease_expires_at is None
    assert expire() == {}


def test_expired_answers_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "_PAGE", 2)
    token = create_token("press")[0]
    for number in range(5):
        IdempotentAnswer.objects.create(token=token, key=str(number), fingerprint="f", status=200)
    old = timezone.now() - timedelta(days=1, seconds=1)
    IdempotentAnswer.objects.exclude(key="4").update(created_at=old)
    assert done(housekeeping.remove_idempotent_answers, is_dry_run=True) == {"answers": 4}
    assert IdempotentAnswer.objects.count() == 5
    assert done(housekeeping.remove_idempotent_answers) == {"answers": 4}
    assert [answer.key for answer in IdempotentAnswer.objects.all()] == ["4"]


@pytest.fixture
def notifications(user: User) -> dict[str, Notification]:
    """Two that were read 31 days ago, one that was read now, and one that is old and unread."""
    rows = {name: notify_user(user, type="info", event=name) for name in ("old", "older", "new", "unread")}
    long_ago = timezone.now() - timedelta(days=31)
    Notification.objects.filter(event__in=["old", "older"]).update(read_at=long_ago)
    Notification.objects.filter(event="new").update(read_at=timezone.now())
    Notification.objects.update(created_at=long_ago)
    return rows


def left() -> list[str]:
    return sorted(Notification.objects.values_list("event", flat=True))


@pytest.mark.parametrize("batch", [1, 100])
def test_notifications_that_were_read_long_ago_are_removed_with_their_events(
    notifications: dict[str, Notification], received: Received, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "_PAGE", 2)
    monkeypatch.setattr(housekeeping, "_BATCH", batch)
    assert done(housekeeping.remove_read_notifications, is_dry_run=True) == {"notifications": 2}
    assert (len(left()), received.names) == (4, [])
    assert done(housekeeping.remove_read_notifications) == {"notifications": 2}
    assert left() == ["new", "unread"]
    assert received.names == ["notification_deleted"] * 2
    assert {event.id for event in received.events} == {str(notifications[name].pk) for name in ("old", "older")}


def test_one_that_is_marked_as_unread_meanwhile_stays(notifications: dict[str, Notification]) -> None:
    rows = list(Notification.objects.filter(event__in=["old", "older"]))
    Notification.objects.filter(event="old").update(read_at=None)
    assert housekeeping._delete_notifications(rows) == 1
    assert left() == ["new", "old", "unread"]


@pytest.mark.usefixtures("notifications")
def test_read_notifications_stay_where_the_setting_says_so(settings: Settings) -> None:
    settings.EXECUTIONS = {"READ_NOTIFICATION_LIFETIME": None}
    assert done(housekeeping.remove_read_notifications) == {}
    assert len(left()) == 4


def test_executions_are_removed_only_where_asked_and_only_those_that_ended(
    graph: Graph, user: User, received: Received, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "_BATCH", 2)
    for status in ("COMPLETED", "FAILED", "TERMINATED", "QUEUED", "RUNNING", "REVIEW", "INCOMPLETE"):
        GraphExecution.objects.create(graph=graph, user=user, status=status)
    young = GraphExecution.objects.create(graph=graph, user=user, status="COMPLETED")
    for number, execution in enumerate(GraphExecution.objects.exclude(pk=young.pk)):
        long_ago = timezone.now() - timedelta(days=91, seconds=number)
        GraphExecution.objects.filter(pk=execution.pk).update(created_at=long_ago)
        GraphExecution.objects.filter(pk=execution.pk, ended_at__isnull=False).update(ended_at=long_ago)
    assert done(housekeeping.remove_ended_executions) == {}
    settings.EXECUTIONS = {"EXECUTION_LIFETIME": 90 * DAY}
    received.clear()
    assert done(housekeeping.remove_ended_executions, is_dry_run=True) == {"executions": 3}
    assert GraphExecution.objects.count() == 8
    assert done(housekeeping.remove_ended_executions) == {"executions": 3}
    assert sorted(GraphExecution.objects.exclude(pk=young.pk).values_list("status", flat=True)) == [
        *("INCOMPLETE", "QUEUED", "REVIEW", "RUNNING")
    ]
    assert received.names == ["graph_execution_deleted"] * 3
