"""python-socketio with its Redis manager: one room for each execution."""

import os

import socketio

server = socketio.AsyncServer(async_mode="asgi", client_manager=socketio.AsyncRedisManager(os.environ["REDIS_URL"]))
app = socketio.ASGIApp(server)


@server.event
async def subscribe(sid: str, id: str) -> None:
    await server.enter_room(sid, id)
    await server.emit("subscribed", to=sid)
