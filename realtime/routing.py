"""The WebSocket routes: `/ws` and `/ws/`. The handshake of any other path is refused."""

from typing import Any

from channels.layers import get_channel_layer
from channels.routing import URLRouter
from django.urls import re_path

from realtime.consumers import LiveConsumer

get_channel_layer()  # imports the layer now, so that the first sockets need not wait for it


async def _refuse(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.close"})


websocket_application = URLRouter(
    [re_path(r"^ws/?$", LiveConsumer.as_asgi()), re_path(r"", _refuse)]  # type: ignore[arg-type]
)
