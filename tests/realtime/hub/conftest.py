"""Fixtures for tests of the hub."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from realtime import streams
from realtime.hub import group_membership as module
from realtime.hub.group_membership import GroupMembership

PATIENCE = 20.0  # seconds; only a test that fails waits for so long

Members = Callable[..., GroupMembership]


@pytest.fixture
def key(user, execution):
    return streams.graph_exec(str(user.pk), str(execution.pk))


class Inbox:
    """What arrived, in order."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def __call__(self, message: dict[str, Any]) -> None:
        if message.get("type") == "raise":
            raise RuntimeError("a handler that fails")
        self.messages.put_nowait(message)

    async def next(self) -> Any:
        return (await asyncio.wait_for(self.messages.get(), PATIENCE))["n"]


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def members(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Members]:
    """Memberships on a layer, started; they are stopped at the end."""
    monkeypatch.setattr(module, "_FIRST_RETRY", 0.01)
    made = []

    def start(layer: Any) -> GroupMembership:
        monkeypatch.setattr(module, "get_channel_layer", lambda: layer)
        made.append(GroupMembership(inbox))
        made[-1].start()
        return made[-1]

    yield start
    for each in made:
        await each.stop()
