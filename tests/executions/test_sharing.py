"""Sharing an execution by a token."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from executions.models import Graph, GraphExecution
from executions.services import ShareTokenTaken, share_execution, start_execution
from executions.sharing import a_token_of_its_own

pytestmark = pytest.mark.django_db
TOKEN = "t" * 22


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
