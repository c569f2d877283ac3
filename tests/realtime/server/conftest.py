"""A fixture for tests of the server."""

from collections.abc import Iterator

import pytest

from tests.realtime.server_process import ServerProcess


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """A server with the default limits, shared by the tests of the file."""
    with ServerProcess() as process:
        yield process
