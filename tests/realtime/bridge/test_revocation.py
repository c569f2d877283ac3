"""A graph that gets another owner, and a session that its person ends."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from executions.models import Graph, UserSession
from executions.web.sessions import end_other_sessions

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("fields", [None, ["owner"], ["owner_id"]])
def test_the_former_owner_is_looked_at_again(
    graph: Graph, user: User, other_user: User, sent: list[Any], fields: Any
) -> None:
    graph.owner = other_user
    graph.save(update_fields=fields)
    assert sent == [{"users": [str(user.pk)], "stream": f"{user.pk}|graph#{graph.pk}|executions"}]


def test_another_save_sends_nothing(graph: Graph, sent: list[Any], user: User) -> None:
    graph.name = "Another name"
    graph.save()
    graph.save(update_fields=["name"])
    Graph.objects.create(owner=user, name="New")
    assert sent == []


def test_the_person_of_an_ended_session_is_looked_at_again(user: User, other_user: User, sent: list[Any]) -> None:
    for each in (user, other_user):
        UserSession.objects.create(user=each, session_key=f"of{each.pk}")
    assert end_other_sessions(user, None) == 1
    assert [fields["users"] for fields in sent] == [[str(user.pk)]]
