"""Sharing an execution by a link."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone
from pytest_django import Settings

from executions.models import Graph, GraphExecution
from executions.services import ShareTokenTaken, share_execution, start_execution
from executions.sharing import a_token_of_its_own, opened_by

pytestmark = pytest.mark.django_db
TOKEN = "t" * 22
PAST = datetime(2020, 1, 1, tzinfo=UTC)


def test_a_run_is_shared_from_its_start(graph: Graph, user: User) -> None:
    shared = start_execution(graph, user=user, is_shared=True)
    assert shared.is_shared
    assert len(shared.share_token) > 40
    assert start_execution(graph, user=user, is_shared=True, share_token=TOKEN).share_token == TOKEN
    private = start_execution(graph, user=user, share_token="unused")
    assert (private.is_shared, private.share_token) == (False, None)


def test_sharing_again_makes_a_new_token_and_an_end_takes_it_back(execution: GraphExecution, received: Any) -> None:
    tokens = [share_execution(execution, is_shared=on).share_token for on in (True, True, False)]
    assert len({*tokens}) == 3
    assert tokens[2] is None
    assert share_execution(execution, token=TOKEN).share_token == TOKEN
    row = GraphExecution.objects.get()
    assert (row.is_shared, row.share_token) == (True, TOKEN)
    assert [event.share_token for event in received.events] == [*tokens, TOKEN]


def test_two_runs_have_different_tokens(graph: Graph, user: User, execution: GraphExecution) -> None:
    share_execution(execution, token=TOKEN)
    share_execution(execution, token=TOKEN)
    other = start_execution(graph, user=user)
    with pytest.raises(ShareTokenTaken):
        share_execution(other, token=TOKEN)
    with transaction.atomic(), pytest.raises(ShareTokenTaken):
        start_execution(graph, user=user, is_shared=True, share_token=TOKEN)
    assert GraphExecution.objects.count() == 2


def test_another_conflict_stays_what_it_is() -> None:
    with pytest.raises(IntegrityError), a_token_of_its_own(TOKEN):
        raise IntegrityError


# The end of a link


def test_a_link_ends_after_the_longest_time_if_no_other_is_named(settings: Settings, execution: GraphExecution) -> None:
    before = timezone.now()
    end = share_execution(execution).share_expires_at
    assert before + timedelta(days=30) <= end <= timezone.now() + timedelta(days=30)
    tomorrow = before + timedelta(days=1)
    assert share_execution(execution, expires_at=tomorrow).share_expires_at == tomorrow
    settings.EXECUTIONS = {"SHARE_LIFETIME": 3600}
    end = share_execution(execution).share_expires_at
    assert end <= timezone.now() + timedelta(hours=1)
    settings.EXECUTIONS = {"SHARE_LIFETIME": None}
    assert share_execution(execution).share_expires_at is None
    assert share_execution(execution, expires_at=before + timedelta(days=9_999)).share_expires_at is not None
    assert share_execution(execution, is_shared=False).share_expires_at is None


@pytest.mark.parametrize("days", [-1, 0, 31])
def test_a_link_ends_in_the_future_and_within_the_longest_time(
    graph: Graph, execution: GraphExecution, days: int
) -> None:
    wanted = timezone.now() + timedelta(days=days)
    for share in (
        lambda: share_execution(execution, expires_at=wanted),
        lambda: start_execution(graph, user=execution.user, is_shared=True, share_expires_at=wanted),
    ):
        with pytest.raises(ValueError, match=r"in the future|2,592,000 seconds \(EXECUTIONS\[\"SHARE_LIFETIME\"\]\)"):
            share()
    assert not GraphExecution.objects.get().is_shared


# What a token opens


def test_a_token_opens_its_execution_only(graph: Graph, user: User) -> None:
    one, two = (start_execution(graph, user=user, is_shared=True) for _ in range(2))
    assert opened_by([one.share_token]) == [one]
    assert {*opened_by([one.share_token, two.share_token, "x" * 22])} == {one, two}


@pytest.mark.parametrize(
    "change",
    [
        {"is_shared": False},
        {"share_token": "another_token_of_twenty_two"},
        {"share_token": None},
        {"share_expires_at": PAST},
    ],
    ids=str,
)
def test_a_link_that_was_taken_back_or_has_ended_opens_nothing(
    execution: GraphExecution, change: dict[str, Any]
) -> None:
    share_execution(execution, token=TOKEN)
    GraphExecution.objects.update(**change)
    assert opened_by([TOKEN]) == []


def test_a_link_of_an_inactive_owner_opens_nothing(execution: GraphExecution, user: User) -> None:
    share_execution(execution, token=TOKEN)
    user.is_active = False
    user.save()
    assert opened_by([TOKEN]) == []


def test_an_extended_link_works_again(execution: GraphExecution) -> None:
    share_execution(execution, token=TOKEN)
    GraphExecution.objects.update(share_expires_at=timezone.now() - timedelta(days=1))
    assert opened_by([TOKEN]) == []
    share_execution(execution, token=TOKEN)
    assert opened_by([TOKEN]) == [execution]


@pytest.mark.parametrize("token", ["", "short", "x" * 256, "x" * 1_000_000, "t" * 22 + "\n", "t" * 21 + "\0", "ü" * 22])
def test_a_text_that_cannot_be_a_token_is_not_looked_up(token: str, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert opened_by([token]) == []


def test_many_tokens_cost_one_query(graph: Graph, user: User, django_assert_num_queries: Any) -> None:
    tokens = [start_execution(graph, user=user, is_shared=True).share_token for _ in range(5)]
    with django_assert_num_queries(1):
        rows = opened_by(tokens, "status", "graph__name")
        assert [(row.status, row.graph.name, row.user.is_active) for row in rows] == [("QUEUED", graph.name, True)] * 5
