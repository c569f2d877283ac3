"""A change writes everything or nothing."""

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from executions.recording.change import RefusedBeforeWrite, atomic_change

pytestmark = pytest.mark.django_db(transaction=True)


def add(name: str) -> None:
    User.objects.create(username=name)


def add_and_fail(name: str) -> None:
    add(name)
    raise ZeroDivisionError


def names() -> set[str]:
    return set(User.objects.values_list("username", flat=True))


def test_a_change_is_one_transaction() -> None:
    with atomic_change(None):
        assert connection.in_atomic_block
        add("a")
        add("b")
    assert names() == {"a", "b"}


def test_a_change_knows_whether_its_end_is_the_commit() -> None:
    with atomic_change(None) as ends_in_commit:
        assert ends_in_commit
        with atomic_change(None) as ends_in_commit:
            assert not ends_in_commit
    connection.set_autocommit(False)
    try:
        with atomic_change(None) as ends_in_commit:
            assert not ends_in_commit
    finally:
        connection.rollback()
        connection.set_autocommit(True)


def test_an_error_rolls_the_whole_change_back() -> None:
    with pytest.raises(ZeroDivisionError), atomic_change(None):
        add_and_fail("a")
    assert names() == set()


def test_a_refused_change_raises_the_wrapped_error() -> None:
    with pytest.raises(KeyError) as caught, atomic_change(None):
        raise RefusedBeforeWrite(KeyError("no"))
    assert caught.value.__cause__ is None
    assert not connection.in_atomic_block


def test_after_a_refused_change_the_surrounding_transaction_continues() -> None:
    with transaction.atomic():
        add("before")
        with pytest.raises(KeyError), atomic_change(None):
            raise RefusedBeforeWrite(KeyError("no"))
        add("after")
    assert names() == {"before", "after"}


def test_after_any_other_error_the_surrounding_transaction_is_rolled_back() -> None:
    with transaction.atomic():
        add("before")
        with pytest.raises(ZeroDivisionError), atomic_change(None):
            add_and_fail("during")
        with pytest.raises(transaction.TransactionManagementError):
            names()
    assert names() == set()


def test_a_change_costs_no_savepoint() -> None:
    statements: list[str] = []

    def note(execute, sql, *args):  # type: ignore[no-untyped-def]
        statements.append(sql)
        return execute(sql, *args)

    with transaction.atomic(), connection.execute_wrapper(note), atomic_change(None):
        add("a")
    assert [sql.split()[0] for sql in statements] == ["INSERT"]
