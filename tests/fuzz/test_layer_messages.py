"""Messages of the channel layer from another version, or from anybody with access to Redis: they are understood, or
counted and ignored."""

import asyncio
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime import metrics
from realtime.hub.hub import Hub
from realtime.hub.watched_stream import WatchedStream
from realtime.log.types import StreamPosition
from tests.fuzz.inputs import json_values, near
from tests.fuzz.oracles import LONG_REPR, SHORT, at_most_calls, no_logged_errors

pytestmark = [pytest.mark.once, LONG_REPR]

KEY = "1|graph_exec#E"
MESSAGES: list[dict[str, Any]] = [
    {
        "type": "node.execution.event",
        "key": KEY,
        "epoch": "e",
        "first": 1,
        "last": 2,
        "events": [[1, "node_execution_event", '{"a":1}'], [2, "node_execution_event", "{}"]],
    },
    {
        "type": "stream.events",
        "key": KEY,
        "epoch": "e",
        "first": 1,
        "last": 1,
        "events": [[1, "notification", "{}", "id"]],
    },
    {"type": "graph.execution.event", "key": KEY, "epoch": "e", "first": 1, "last": 1},
    {"type": "stream.ended", "key": KEY},
]


class Watched(WatchedStream):
    """A stream that reads no database."""

    delivered: list[Any]

    def restart(self) -> None:
        pass

    def _fill_gap_soon(self, at_once: bool = False) -> None:
        pass


async def handle(messages: list[Any]) -> tuple[int, Watched]:
    """The count of messages that were not understood, and the stream, after these messages."""
    hub = Hub()
    watched = Watched(KEY, hub.pages, restarts=asyncio.Semaphore(1), on_end=lambda stream: None)
    watched.stream = StreamPosition(1, "e", 0, 0)
    hub.streams[KEY] = watched
    delivered: list[Any] = []
    watched.subscriptions.deliver = delivered.extend  # type: ignore[method-assign, assignment]
    before = metrics.counts().get("layer_messages_unknown", 0)
    for message in messages:
        hub._on_message(message)
    watched.delivered = delivered
    return metrics.counts().get("layer_messages_unknown", 0) - before, watched


def carried(message: Any) -> Any:
    """The message as the channel layer hands it over; None if the layer cannot carry it."""
    try:
        return msgpack.unpackb(msgpack.packb(message), strict_map_key=False)
    except (ValueError, TypeError, OverflowError):
        return None


messages_of_anybody = st.one_of(st.sampled_from(MESSAGES).flatmap(near), json_values).map(carried)


@SHORT
@given(st.lists(messages_of_anybody, max_size=4))
def test_a_layer_message_is_understood_or_counted(messages: list[Any]) -> None:
    with no_logged_errors(), at_most_calls(200_000):
        unknown, watched = asyncio.run(handle(messages))
    assert 0 <= unknown <= len(messages)
    assert type(watched.ordering.known) is int
    for event in watched.delivered:
        assert type(event.seq) is int
        assert event.numbered_frame.startswith(event.frame[:-1])
        event.numbered_frame.encode()
