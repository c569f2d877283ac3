"""The lower limit for ASGI: a bare application that sends what Redis delivers, and, on /replay, rows of the log. A
server can only deliver with less work if it bypasses ASGI."""

import asyncio
import json
import os
from typing import Any

import psycopg
from redis.asyncio import Redis

subscriptions: dict[str, list[Any]] = {}
tasks: list[asyncio.Task[None]] = []


async def listen() -> None:
    pubsub = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=None).pubsub()
    await pubsub.psubscribe("exec/*")
    async for message in pubsub.listen():
        if message["type"] == "pmessage":
            text = message["data"].decode()
            for send in subscriptions.get(message["channel"].decode().removeprefix("exec/"), ()):
                await send({"type": "websocket.send", "text": text})


async def replay(key: str, send: Any) -> None:
    """Reads all rows in one SELECT, and sends each unchanged."""
    async with await psycopg.AsyncConnection.connect(os.environ["DATABASE_URL"]) as connection:
        cursor = await connection.execute(
            "SELECT seq, method, data FROM realtime_streamevent"
            " WHERE stream_id = (SELECT id FROM realtime_stream WHERE key = %s) ORDER BY seq",
            [key],
        )
        rows = await cursor.fetchall()
    for seq, method, data in rows:
        text = f'{{"method":"{method}","data":{data},"success":null,"channel":"{key}","error":null,"seq":{seq}}}'
        await send({"type": "websocket.send", "text": text})


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "websocket":
        raise RuntimeError("only WebSockets are served")
    if not tasks:
        tasks.append(asyncio.create_task(listen()))
    while True:
        message = await receive()
        if message["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        elif message["type"] == "websocket.disconnect":
            return
        else:
            id = json.loads(message["text"])["data"]["graph_exec_id"]
            await send({"type": "websocket.send", "text": '{"success":true}'})
            if scope["path"] == "/replay":
                await replay(id, send)
            else:
                subscriptions.setdefault(id, []).append(send)
