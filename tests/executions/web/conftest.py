"""Fixtures for the tests of the pages."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from executions.models import Graph
from executions.samples import make_text_insight


@pytest.fixture
def user(db: None) -> User:
    """A user without a password, because hashing one takes a third of a second."""
    return User.objects.create_user("user")


@pytest.fixture
def other_user(db: None) -> User:
    return User.objects.create_user("other_user")


@pytest.fixture
def page(client: Client, user: User) -> Client:
    """A client that is signed in as `user`."""
    client.force_login(user)
    return client


@pytest.fixture
def sample(user: User) -> Graph:
    return make_text_insight(user)[0]
