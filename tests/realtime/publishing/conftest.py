"""Fixtures that show what was announced."""

from collections.abc import Iterator

import pytest

from realtime.log.types import NumberedEvents
from realtime.publishing import announcer
from tests.realtime.publishing.processes import Subscriber
from tests.servers import Redis


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[NumberedEvents | str]:
    """Replaces the announcer: collects the numbered events, and the keys of streams that ended."""
    calls: list[NumberedEvents | str] = []
    monkeypatch.setattr(announcer, "announce", calls.append)
    monkeypatch.setattr(announcer, "announce_end", calls.append)
    return calls


@pytest.fixture
def subscriber(redis_server: Redis) -> Iterator[Subscriber]:
    client = Subscriber(redis_server)
    yield client
    client.close()
