"""Publishes an event, receives it on a socket and over HTTP, and prints what it received as JSON."""

import asyncio
import json
import sys
from datetime import timedelta
from typing import Any

import django
from asgiref.sync import sync_to_async

django.setup()

from channels.testing import WebsocketCommunicator  # noqa: E402 - Django must be set up before the models load
from django.contrib.auth.models import User  # noqa: E402
from django.test import Client  # noqa: E402

from realtime import streams  # noqa: E402
from realtime.auth.jwt import issue_token  # noqa: E402
from realtime.publish import publish  # noqa: E402
from realtime.routing import websocket_application  # noqa: E402

TIMEOUT = 20.0  # seconds


async def exchange(token: str, stream: str) -> dict[str, Any]:
    """The frames that a socket gets for its requests and for an event."""
    socket = WebsocketCommunicator(websocket_application, f"/ws?token={token}", headers=[(b"host", b"localhost")])
    await socket.connect(TIMEOUT)

    async def receive() -> Any:
        return await socket.receive_json_from(TIMEOUT)

    async def ask(method: str, data: dict[str, Any]) -> Any:
        await socket.send_json_to({"method": method, "data": data})
        return await receive()

    frames = {
        "subscribed": await ask("subscribe_stream", {"kind": "orders", "id": "7", "after": 0}),
        "other stream": await ask("subscribe_stream", {"kind": "orders", "id": "8"}),
        "execution": await ask("subscribe_graph_execution", {"graph_exec_id": "7"}),
        "graph": await ask("subscribe_graph_executions", {"graph_id": "7"}),
    }
    await sync_to_async(publish)(stream, "order_shipped", "order", {"id": 7})
    frames["event"] = await receive()
    await socket.disconnect()
    guest = WebsocketCommunicator(websocket_application, f"/ws?share={'t' * 43}", headers=[(b"host", b"localhost")])
    frames["guest"] = await guest.connect(TIMEOUT)
    return frames


def main() -> None:
    user = User.objects.create(username="ada")
    token = issue_token(user.pk, timedelta(minutes=5))
    result = asyncio.run(exchange(token, streams.own("orders", str(user.pk), "7")))
    publish(streams.notifications(str(user.pk)), "notification", "1", {"text": "hey"})
    answer = Client().get("/api/notifications/events", headers={"Authorization": f"Bearer {token}"})
    result["notifications"] = answer.json()["events"]
    result["modules of executions"] = [name for name in sys.modules if name.split(".")[0] == "executions"]
    sys.stdout.write(json.dumps(result))


main()
