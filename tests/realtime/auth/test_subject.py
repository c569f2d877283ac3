"""The user whom the `sub` of a token names."""

from uuid import UUID

import pytest
from django.contrib.auth.models import User

from realtime.auth.subject import find_user

pytestmark = pytest.mark.django_db


def test_a_user_is_found_by_the_exact_spelling(user: User) -> None:
    assert find_user(str(user.pk), "pk") == user
    assert find_user(user.username, "username") == user
    for subject in ("", " ", f"0{user.pk}", f"{user.pk} ", "9" * 5_000, "\0", "\ud800", "-1", "x" * 256):
        assert find_user(subject, "pk") is None
    for subject in (user.username.upper(), f"{user.username}\0", "\ud800", "x" * 300):
        assert find_user(subject, "username") is None


def test_a_uuid_is_compared_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    from executions.models import Graph

    owner = User.objects.create_user("owner")
    spelt = "aaaaaaaa-0000-4000-8000-000000000001"
    graph = Graph.objects.create(pk=UUID(spelt), owner=owner, name="g", nodes=[], links=[])
    monkeypatch.setattr("realtime.auth.subject.get_user_model", lambda: Graph)  # a model whose key is a UUID
    assert find_user(spelt, "pk") == graph
    for other in (spelt.upper(), spelt.replace("-", ""), f"{{{spelt}}}", f"urn:uuid:{spelt}"):
        assert find_user(other, "pk") is None
