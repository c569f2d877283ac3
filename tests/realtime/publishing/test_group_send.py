"""One send to a group, bounded in time."""

import asyncio
from typing import Any

import pytest
from pytest_django import Settings

from realtime.metrics import counts
from realtime.publishing.group_send import group_send
from tests.realtime.publishing.announcements import GROUP, increase

MESSAGE = {"type": "stream.ended"}


class Layer:
    def __init__(self, error: Exception | None = None, *, hangs: bool = False) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self._error, self._hangs = error, hangs

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        if self._hangs:
            await asyncio.Event().wait()
        if self._error:
            raise self._error
        self.sent.append((group, message))


async def test_a_message_is_sent_to_its_group() -> None:
    before = counts()
    layer = Layer()
    await group_send(layer, GROUP, MESSAGE)
    assert layer.sent == [(GROUP, MESSAGE)]
    assert not increase("announcements_failed", before)


async def test_a_failure_is_counted_and_logged_and_not_raised(caplog: pytest.LogCaptureFixture) -> None:
    before = counts()
    await group_send(Layer(ConnectionError("refused")), GROUP, MESSAGE)
    assert increase("announcements_failed", before) == 1
    (record,) = caplog.records
    assert record.getMessage() == (
        f"An announcement on {GROUP} failed (ConnectionError('refused')); the sweep delivers its events"
    )


async def test_a_layer_that_hangs_is_a_failure_after_the_timeout(settings: Settings) -> None:
    settings.REALTIME = {"ANNOUNCE_TIMEOUT": 0.01}
    before = counts()
    await group_send(Layer(hangs=True), GROUP, MESSAGE)
    assert increase("announcements_failed", before) == 1
