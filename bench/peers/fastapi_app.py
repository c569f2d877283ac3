"""The design that Runwire re-creates: FastAPI, a dictionary of sockets, Redis pub/sub. It stores nothing: a client
misses the events that are published while it is away."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from pydantic import BaseModel
from redis.asyncio import Redis

from executions.events import NodeExecutionEvent


class WSMessage(BaseModel):
    method: str
    data: dict[str, Any] | list[Any] | str | None = None
    success: bool | None = None
    channel: str | None = None
    error: str | None = None


class ConnectionManager:
    def __init__(self) -> None:
        self.subscriptions: dict[str, set[WebSocket]] = {}

    def subscribe(self, channel: str, websocket: WebSocket) -> None:
        self.subscriptions.setdefault(channel, set()).add(websocket)

    def disconnect(self, websocket: WebSocket) -> None:
        for sockets in self.subscriptions.values():
            sockets.discard(websocket)

    async def send_execution_update(self, event: NodeExecutionEvent) -> None:
        channel = event.graph_exec_id
        if channel in self.subscriptions:
            message = WSMessage(method="node_execution_event", channel=channel, data=event.model_dump(mode="json"))
            text = message.model_dump_json()
            for websocket in list(self.subscriptions[channel]):
                await websocket.send_text(text)


manager = ConnectionManager()


async def broadcast() -> None:
    pubsub = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=None).pubsub()
    await pubsub.psubscribe("event/*")
    async for message in pubsub.listen():
        if message["type"] == "pmessage":
            await manager.send_execution_update(NodeExecutionEvent.model_validate_json(message["data"]))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    task = asyncio.create_task(broadcast())
    yield
    task.cancel()


app = FastAPI(lifespan=lifespan)


@app.websocket("/ws")
async def websocket_router(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while True:
            message = WSMessage.model_validate_json(await websocket.receive_text())
            channel = message.data["graph_exec_id"]
            manager.subscribe(channel, websocket)
            await websocket.send_text(WSMessage(method=message.method, success=True, channel=channel).model_dump_json())
    except WebSocketDisconnect:
        manager.disconnect(websocket)
