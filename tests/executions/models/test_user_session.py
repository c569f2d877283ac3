"""The table of sessions."""

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError

from executions.models import UserSession


def test_a_session_belongs_to_one_user_and_goes_with_them(user: User) -> None:
    session = UserSession.objects.create(user=user, session_key="key")
    assert "key" not in str(session)
    user.delete()
    assert not UserSession.objects.exists()


def test_a_key_is_listed_once(user: User, other_user: User) -> None:
    UserSession.objects.create(user=user, session_key="key")
    with pytest.raises(IntegrityError):
        UserSession.objects.create(user=other_user, session_key="key")
