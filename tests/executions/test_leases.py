"""Claims, leases, and the end of runs whose owner is gone."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import close_old_connections, transaction
from django.utils import timezone

from executions.leases import (
    OWNER_IS_GONE,
    claim_next,
    fail_expired,
    is_claimed_by,
    lock_claim,
    release_claim,
    renew_claims,
    waiting_users,
)
from executions.models import Graph, GraphExecution
from executions.services import (
    finish_execution,
    report_execution,
    report_node,
    requeue_execution,
    start_execution,
    terminate_execution,
)
from executions.statuses import ExecutionStatus

pytestmark = pytest.mark.django_db

Start = Callable[..., GraphExecution]


@pytest.fixture
def start(user: User) -> Start:
    graph = Graph.objects.create(owner=user, name="g", nodes=[{"id": "a", "block_id": "test.echo"}])
    return lambda **more: start_execution(graph, **{"user": user, "runner": "embedded", **more})


def claim() -> GraphExecution:
    execution = claim_next()
    assert execution
    return execution


def let_the_lease_expire(execution: GraphExecution) -> None:
    GraphExecution.objects.filter(pk=execution.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))


def test_a_claim_sets_running_owner_and_lease(start: Start) -> None:
    queued = start()

    claimed = claim()

    assert claimed.pk == queued.pk
    assert claimed.status == ExecutionStatus.RUNNING
    assert claimed.runner.startswith("embedded:")
    assert claimed.lease_expires_at
    assert 20 < (claimed.lease_expires_at - timezone.now()).total_seconds() < 40
    assert claim_next() is None


def test_the_oldest_execution_is_claimed_first(start: Start) -> None:
    queued = [start() for _ in range(3)]

    assert [claim().pk for _ in queued] == [each.pk for each in queued]


def test_the_users_who_wait_are_listed_by_the_age_of_their_oldest_execution(
    start: Start, user: User, other_user: User
) -> None:
    assert waiting_users() == []
    start(user=other_user)
    start()
    start(user=other_user)
    start(runner="worker:theirs")
    assert waiting_users() == [other_user.pk, user.pk]
    claim()
    assert waiting_users() == [user.pk, other_user.pk]


def test_the_oldest_execution_of_one_user_is_claimed(start: Start, user: User, other_user: User) -> None:
    theirs, first, _ = start(user=other_user), start(), start()
    assert [claim_next(user.pk), claim_next(other_user.pk)] == [first, theirs]
    assert claim_next(other_user.pk) is None


def test_every_claim_has_its_own_owner(start: Start) -> None:
    start()
    start()

    assert claim().runner != claim().runner


def test_an_execution_without_runner_is_not_claimed(start: Start) -> None:
    start(runner="")

    assert claim_next() is None


def test_executions_of_other_engines_are_never_changed(start: Start) -> None:
    theirs = start(runner="celery")
    report_execution(start(runner="celery"), status=ExecutionStatus.RUNNING)
    GraphExecution.objects.update(lease_expires_at=timezone.now() - timedelta(days=1))
    before = list(GraphExecution.objects.order_by("pk").values())

    assert claim_next() is None
    assert fail_expired() == 0
    assert list(GraphExecution.objects.order_by("pk").values()) == before
    assert not lock_claim(theirs, "celery")


def test_only_queued_executions_are_claimed(start: Start) -> None:
    terminate_execution(start())
    finish_execution(start(), status=ExecutionStatus.FAILED)
    report_execution(start(), status=ExecutionStatus.RUNNING)

    assert claim_next() is None


def test_a_terminated_run_that_is_queued_again_is_claimed_again(start: Start) -> None:
    start()
    first = claim()
    terminate_execution(first)
    requeue_execution(first)

    again = claim()

    assert (again.pk, again.attempt) == (first.pk, 2)
    assert again.runner != first.runner


def test_a_run_that_is_requeued_from_review_is_claimed_again(start: Start) -> None:
    start()
    first = claim()
    report_execution(first, status=ExecutionStatus.REVIEW)
    assert claim_next() is None
    requeue_execution(first)

    again = claim()

    assert (again.pk, again.attempt) == (first.pk, 1)
    assert again.runner != first.runner


def test_only_the_owner_has_the_claim_and_only_while_the_run_is_running(start: Start) -> None:
    start()
    execution = claim()
    with transaction.atomic():
        assert lock_claim(execution, execution.runner)
        assert is_claimed_by(execution, execution.runner)
        assert not lock_claim(execution, "embedded:somebody-else")
    terminate_execution(execution)
    with transaction.atomic():
        assert not lock_claim(execution, execution.runner)
        assert not is_claimed_by(execution, execution.runner)


def test_an_expired_lease_ends_the_run_with_a_reason(start: Start) -> None:
    start()
    execution = claim()
    report_node(execution, node_id="a", status=ExecutionStatus.RUNNING)
    assert fail_expired() == 0
    let_the_lease_expire(execution)

    assert fail_expired() == 1

    execution.refresh_from_db()
    assert execution.status == ExecutionStatus.FAILED
    assert execution.stats
    assert execution.stats["error"] == OWNER_IS_GONE
    assert execution.node_executions.get().status == ExecutionStatus.TERMINATED
    assert fail_expired() == 0


def test_a_renewed_lease_does_not_expire(start: Start) -> None:
    start()
    execution = claim()
    let_the_lease_expire(execution)

    renew_claims([execution.runner])

    assert fail_expired() == 0
    execution.refresh_from_db()
    assert execution.lease_expires_at
    assert execution.lease_expires_at > timezone.now()


def test_only_the_leases_of_the_named_claims_are_renewed(start: Start) -> None:
    start()
    start()
    mine, other = claim(), claim()
    let_the_lease_expire(mine)
    let_the_lease_expire(other)

    renew_claims([mine.runner])
    renew_claims([])

    assert fail_expired() == 1
    other.refresh_from_db()
    assert other.status == ExecutionStatus.FAILED


def test_a_released_run_starts_a_new_attempt(start: Start) -> None:
    start()
    execution = claim()
    report_node(execution, node_id="a", status=ExecutionStatus.RUNNING)

    release_claim(execution)

    execution.refresh_from_db()
    assert (execution.status, execution.runner, execution.attempt) == (ExecutionStatus.QUEUED, "embedded", 2)
    assert execution.lease_expires_at is None
    assert execution.node_executions.get().status == ExecutionStatus.TERMINATED


@pytest.mark.django_db(transaction=True)
def test_each_execution_is_claimed_by_one_of_many_concurrent_callers(start: Start) -> None:
    queued = {start().pk for _ in range(20)}
    claimed: list[GraphExecution] = []
    begin = threading.Barrier(4)

    def claim_all() -> None:
        try:
            begin.wait()
            while execution := claim_next():
                claimed.append(execution)
        finally:
            close_old_connections()

    threads = [threading.Thread(target=claim_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(claimed) == 20
    assert {execution.pk for execution in claimed} == queued
    owners = set(GraphExecution.objects.values_list("runner", flat=True))
    assert owners == {execution.runner for execution in claimed}
