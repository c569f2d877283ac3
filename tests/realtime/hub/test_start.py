"""What a start reads, answers, and sends first."""

import json
from typing import Any

import pytest

from realtime.hub import start as module
from realtime.hub.start import prepare
from realtime.log.types import StreamPosition
from realtime.subscription.start_position import FromCursor, FromSnapshot
from realtime.subscription.state import After, Each, State
from realtime.subscription.subscription import SocketSubscription
from tests.realtime.subscriptions import new_subscription

STREAM = StreamPosition(id=1, epoch="e", head=9, floor=0)


class NoSender:
    def ready(self, subscription: SocketSubscription) -> None:
        pass

    hold = release = answer = send_now = ready  # type: ignore[assignment]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the log was asked. It answers with the events 2 and 7, and says that there were more entities."""
    questions: list[dict[str, Any]] = []

    async def answer(work: Any, stream_id: int, **options: Any) -> tuple[list[int], bool]:
        questions.append({"stream_id": stream_id, **options})
        return [2, 7], True

    monkeypatch.setattr(module, "in_thread", answer)
    return questions


def subscription_of(**options: Any) -> SocketSubscription:
    return new_subscription(NoSender(), **options)


async def test_a_start_from_a_cursor_reads_nothing_and_wants_what_follows(asked: list[dict[str, Any]]) -> None:
    subscription = subscription_of(after=4)
    start = await prepare(subscription, STREAM, FromCursor(4))
    assert asked == []
    assert json.loads(start.answer("7")) == {
        "method": "subscribe_stream",
        "data": {"epoch": "e", "head": 9, "recovered": True},
        "success": True,
        "channel": "a",
        "error": None,
        "id": "7",
    }
    assert subscription.state is State.REGISTERED
    start.begin()
    assert (subscription.state, subscription.wanted) == (State.ACTIVE, After(4))


async def test_a_start_with_a_snapshot_reads_its_numbers_and_wants_their_events(asked: list[dict[str, Any]]) -> None:
    subscription = subscription_of(replay="latest", limit=2)
    start = await prepare(subscription, STREAM, FromSnapshot(1, recovered=False))
    assert asked == [{"stream_id": 1, "after": 1, "head": 9, "limit": 2}]
    assert json.loads(start.answer())["data"] == {"epoch": "e", "head": 9, "recovered": False, "truncated": True}
    start.begin()
    assert (subscription.wanted, subscription.delivered_seq) == (Each([2, 7]), 9)


async def test_a_client_without_numbers_is_answered_without_data(asked: list[dict[str, Any]]) -> None:
    start = await prepare(subscription_of(), STREAM, FromCursor(9))
    assert json.loads(start.answer())["data"] is None
