"""A plain Channels consumer: AuthMiddlewareStack, one group for each subscription, and a handler that sends."""

import json
from typing import Any

from django.core.asgi import get_asgi_application

http_application = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402 - Django must be set up before the models load
from channels.db import database_sync_to_async  # noqa: E402
from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402

from executions.access import find_execution  # noqa: E402


class ExecutionConsumer(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        self.groups_joined: list[str] = []
        if self.scope["user"].is_authenticated:
            await self.accept()
        else:
            await self.close()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        request = json.loads(text_data)
        id = request["data"]["graph_exec_id"]
        if await database_sync_to_async(find_execution)(self.scope["user"], id, only=("user",)) is None:
            await self.send(text_data=json.dumps({"method": "error", "error": "Graph execution not found"}))
            return
        self.groups_joined.append(f"exec.{id}")
        await self.channel_layer.group_add(f"exec.{id}", self.channel_name)
        await self.send(text_data=json.dumps({"method": request["method"], "success": True, "channel": id}))

    async def disconnect(self, code: int) -> None:
        for group in self.groups_joined:
            await self.channel_layer.group_discard(group, self.channel_name)

    async def node_execution(self, event: dict[str, Any]) -> None:
        await self.send(text_data=event["text"])


application = ProtocolTypeRouter(
    {
        "http": http_application,
        "websocket": AuthMiddlewareStack(URLRouter([path("ws", ExecutionConsumer.as_asgi())])),
    }
)
