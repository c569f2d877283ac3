"""A client of the base protocol, written from its description and without any code of Runwire.

It behaves as a browser application does that knows only part 1 of docs/protocol.md: the token is in the query; each
topic is subscribed when the first socket opens, and never asked for again by that application; a socket that is refused
or lost is opened again after a pause; heartbeats are sent; events are chosen by the fields of their data.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, create_model

from tests.waiting import rest_in_loop

websockets = pytest.importorskip("websockets", reason="pip install -r requirements-dev.txt")

PAUSE = 0.05  # seconds between attempts
HEARTBEAT = 0.2  # seconds between heartbeats; a real one has a hundred

Message = dict[str, Any]


class StockClient:
    def __init__(
        self, url: str, token: Callable[[], str], topics: list[Message], is_shown: Callable[[Message], bool]
    ) -> None:
        self._url, self._token, self._is_shown = url, token, is_shown
        self._topics = list(topics)  # those that are not subscribed yet
        self.shown: asyncio.Queue[tuple[str, Message]] = asyncio.Queue()
        self.opened = self.failed = self.pongs = 0
        self._running = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        self._running.cancel()
        await asyncio.wait({self._running})

    async def _run(self) -> None:
        while True:
            try:
                async with websockets.connect(f"{self._url}?token={self._token()}", compression=None) as socket:
                    await self._on_open(socket)
            except websockets.WebSocketException:
                self.failed += 1
            await rest_in_loop(PAUSE)

    async def _on_open(self, socket: websockets.ClientConnection) -> None:
        self.opened += 1
        topics, self._topics = self._topics, []
        for topic in topics:
            await socket.send(json.dumps(topic))
        beating = asyncio.ensure_future(self._beat(socket))
        try:
            async for text in socket:
                self._on_message(json.loads(text))
        finally:
            beating.cancel()

    async def _beat(self, socket: websockets.ClientConnection) -> None:
        while True:
            await rest_in_loop(HEARTBEAT)
            await socket.send('{"method":"heartbeat","data":"ping","success":true}')

    def _on_message(self, message: Message) -> None:
        if message["method"] == "heartbeat" and message["data"] == "pong":
            self.pongs += 1
        elif message["method"] in EVENTS and self._is_shown(message["data"]):
            self.shown.put_nowait((message["method"], message["data"]))


def _model(name: str, types: dict[str, Any]) -> type[BaseModel]:
    return create_model(name, **{field: (type, ...) for field, type in types.items()})


Text, Number, Data = str | None, int | float, dict[str, Any]
Outputs = dict[str, list[Any]]
Stats = _model(
    "Stats",
    {
        "cost": int,
        **dict.fromkeys(("duration", "duration_cpu_only", "node_exec_time", "node_exec_time_cpu_only"), float),
        **dict.fromkeys(("node_exec_count", "node_error_count"), int),
        **dict.fromkeys(("error", "activity_status"), Text),
        "correctness_score": float | None,
    },
)
GraphEvent = _model(
    "GraphEvent",
    {
        **dict.fromkeys(("id", "user_id", "graph_id"), str),
        "graph_version": int,
        "inputs": Data,
        "credential_inputs": Data | None,
        "nodes_input_masks": dict[str, Data] | None,
        "preset_id": Text,
        "status": str,
        **dict.fromkeys(("started_at", "ended_at"), Text),
        "is_shared": bool,
        "share_token": Text,
        "is_dry_run": bool,
        **dict.fromkeys(("organization_id", "team_id", "expert_id"), Text),
        **dict.fromkeys(("trigger_source", "trigger_ref", "schedule_id", "webhook_id"), Text),
        "stats": Stats | None,
        "outputs": Outputs,
        "event_type": str,
    },
)
NodeEvent = _model(
    "NodeEvent",
    {
        **dict.fromkeys(("user_id", "graph_id"), str),
        "graph_version": int,
        **dict.fromkeys(("graph_exec_id", "node_exec_id", "node_id", "block_id", "status"), str),
        "input_data": Data,
        "output_data": Outputs,
        "add_time": str,
        **dict.fromkeys(("queue_time", "start_time", "end_time"), Text),
        "event_type": str,
    },
)
Envelope = _model(
    "Envelope",
    {"method": str, "data": Data | list[Any] | str | None, "success": bool | None, "channel": Text, "error": Text},
)
EVENTS = {"graph_execution_event": GraphEvent, "node_execution_event": NodeEvent}


def as_the_base_protocol_writes(text: str) -> str:
    """The frame as a server of the base protocol would send it, with the same values. Raises ValidationError if one is
    missing or has another type."""
    envelope = Envelope.model_validate_json(text).model_dump()
    model = EVENTS[envelope["method"]]
    envelope["data"] = model.model_validate(envelope["data"]).model_dump(mode="json")
    return Envelope.model_validate(envelope).model_dump_json()
