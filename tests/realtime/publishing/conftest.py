"""What was announced, for tests that only record."""

import pytest

from realtime.log.types import Numbered
from realtime.publishing import announcer


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[Numbered | str]:
    """What was announced: the numbered events, or the key of a stream that has ended."""
    calls: list[Numbered | str] = []
    monkeypatch.setattr(announcer, "announce", calls.append)
    monkeypatch.setattr(announcer, "announce_end", calls.append)
    return calls
