"""Fixtures for tests of a writer."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.realtime.connection.in_memory import Connection


@pytest.fixture(params=[False, True], ids=["another server", "our server"])
async def connection(request: pytest.FixtureRequest) -> AsyncIterator[Connection]:
    it = Connection(sends_at_once=request.param)
    yield it
    it.socket.gate.set()
    it.running.cancel()
    await asyncio.wait({it.running})
