"""A server process for the tests of one file."""

from collections.abc import Iterator

import pytest

from tests.realtime.server_process import ServerProcess


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """With the limits as they are."""
    with ServerProcess() as process:
        yield process
