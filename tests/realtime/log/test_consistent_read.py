"""One snapshot of the database for several reads."""

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction

from realtime.log.consistent_read import consistent_read
from tests.executions.conftest import (
    InThread,
    in_thread,  # noqa: F401 - a fixture
)

pytestmark = pytest.mark.django_db(transaction=True)


def names() -> set[str]:
    return set(User.objects.values_list("username", flat=True))


def test_later_commits_of_others_are_not_seen(in_thread: InThread) -> None:  # noqa: F811
    """The reader blocks no writer."""
    User.objects.create(username="before")
    with consistent_read():
        assert names() == {"before"}
        in_thread(lambda: User.objects.create(username="meanwhile")).result(30)
        assert names() == {"before"}
    assert names() == {"before", "meanwhile"}


def test_writes_are_allowed_again_afterwards() -> None:
    with consistent_read():
        names()
    User.objects.create(username="after")
    assert names() == {"after"}


def test_inside_a_transaction_its_own_writes_are_seen() -> None:
    with transaction.atomic():
        User.objects.create(username="own")
        with consistent_read():
            assert names() == {"own"}


@pytest.mark.postgres
def test_a_write_is_refused() -> None:
    with pytest.raises(DatabaseError), consistent_read():
        User.objects.create(username="refused")
    assert connection.vendor == "postgresql"
