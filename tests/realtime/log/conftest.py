"""Fixtures of the tests of the log."""

import pytest

from realtime.log import retention


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_BATCH_SIZE", 3)
