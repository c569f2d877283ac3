"""Which tests count as quick."""

import socket
import subprocess
import sys
from importlib import import_module
from typing import Any

import pytest
from django.contrib.auth.models import User

from tests import quick

pytestmark = pytest.mark.once


class TestWhatCommits:
    @pytest.fixture
    def is_one(self, request: pytest.FixtureRequest) -> bool:
        return quick._commits(request.node)

    def test_no_database(self, is_one: bool) -> None:
        assert not is_one

    @pytest.mark.django_db
    def test_a_transaction_that_is_rolled_back(self, is_one: bool) -> None:
        assert not is_one

    def test_a_fixture_that_is_rolled_back(self, is_one: bool, user: User) -> None:
        assert not is_one

    @pytest.mark.django_db(transaction=True)
    def test_a_transaction_of_its_own(self, is_one: bool) -> None:
        assert is_one

    def test_a_fixture_that_needs_one(self, is_one: bool, web_server: Any) -> None:
        assert is_one


@pytest.mark.parametrize(
    ("name", "is_live"),
    [
        ("tests.waiting", False),
        ("tests.database", False),
        (__name__, True),  # by itself
        ("tests.servers.process", True),
        ("tests.conftest", True),  # by what it imports
    ],
)
def test_a_file_that_can_start_a_process_or_open_a_socket_is_live(name: str, is_live: bool) -> None:
    import_module(name)
    assert quick._is_live(name) == is_live


@pytest.mark.quick
def test_a_quick_test_can_do_neither() -> None:
    with pytest.raises(RuntimeError, match="test_a_quick_test_can_do_neither counts as quick"):
        subprocess.run([sys.executable, "--version"])
    with pytest.raises(RuntimeError, match=r"does this: socket\.connect"), socket.socket() as client:
        client.connect(("127.0.0.1", 1))


def test_another_can() -> None:
    assert subprocess.run([sys.executable, "--version"], capture_output=True).returncode == 0


def test_a_test_that_connects_clients_holds_a_socket(request: pytest.FixtureRequest) -> None:
    assert not quick.holds_a_socket(request.node)
    request.node.fixturenames.append("live_client")
    assert quick.holds_a_socket(request.node)
