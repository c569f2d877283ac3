"""Notices that access has changed."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from realtime.publishing.access_notices import MAX_USERS, notify_access_changed, revoke

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_names_a_user_and_perhaps_a_stream(user: User, sent: list[Any]) -> None:
    revoke(user)
    revoke(7)
    revoke("1|orders#7", user)
    assert sent == [{"users": [str(user.pk)]}, {"users": ["7"]}, {"users": [str(user.pk)], "stream": "1|orders#7"}]
    with pytest.raises(TypeError):
        revoke()  # type: ignore[call-overload]


def test_it_is_sent_after_the_commit_once_for_all_changes(sent: list[Any]) -> None:
    with transaction.atomic():
        for user_id in (2, 1, 2):
            revoke(user_id)
        revoke("a stream", 1)
        assert sent == []
    assert sent == [{"users": ["1", "2"]}, {"users": ["1"], "stream": "a stream"}]


def test_a_rolled_back_change_sends_nothing(sent: list[Any]) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        revoke(1)
        raise RuntimeError
    assert sent == []


def test_many_users_take_several_messages(sent: list[Any]) -> None:
    notify_access_changed(range(MAX_USERS + 1))
    assert [len(each["users"]) for each in sent] == [MAX_USERS, 1]
