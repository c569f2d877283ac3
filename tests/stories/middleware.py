"""The project's ASGI application behind a middleware. Each kind of middleware is an application of this file.

Each writes a line for each text that it sees, "SEEN <name> <text>", to the log of the server. `plain` wraps only the
server's direct sender, so `send` is the server's own.
"""

import copy
import functools
import sys
from contextvars import ContextVar
from typing import Any

from channels.routing import URLRouter
from django.urls import re_path

from config.asgi import application as inner
from realtime.asgi_extension import DIRECT_SENDER, EXTENSION

current: ContextVar[str] = ContextVar("current")  # no default: a send outside of its socket's context raises


def seen(name: str, message: dict[str, Any]) -> None:
    if message["type"] == "websocket.send":
        sys.stdout.write(f"SEEN {name} {message['text']}\n")


async def redacts(scope: Any, receive: Any, send: Any) -> None:
    async def redact(message: dict[str, Any]) -> None:
        if message.get("text"):
            message = {**message, "text": message["text"].replace("secret", "******")}
        seen("redacts", message)
        await send(message)

    await inner(scope, receive, redact)


async def meters(scope: Any, receive: Any, send: Any) -> None:
    sent = 0

    async def meter(message: dict[str, Any]) -> None:
        nonlocal sent
        await send(message)
        sent += len(message.get("text") or "")
        seen(f"meters-{sent}", message)

    await inner(scope, receive, meter)


async def context(scope: Any, receive: Any, send: Any) -> None:
    current.set(scope["path"])

    async def in_context(message: dict[str, Any]) -> None:
        assert current.get() == scope["path"]
        seen("context", message)
        await send(message)

    await inner(scope, receive, in_context)


async def pass_on(send: Any, message: dict[str, Any]) -> None:
    seen("partial", message)
    await send(message)


async def partial(scope: Any, receive: Any, send: Any) -> None:
    await inner(scope, receive, functools.partial(pass_on, send))


async def copied_scope(scope: Any, receive: Any, send: Any) -> None:
    await inner({**copy.copy(scope), "extra": True}, receive, functools.partial(pass_on, send))


async def outside_and_inside(scope: Any, receive: Any, send: Any) -> None:
    """Two middlewares with one that changes the scope between them, as one that authenticates does."""
    await context({**scope, "between": True}, receive, functools.partial(pass_on, send))


_router = URLRouter([re_path(r"", partial)])  # type: ignore[arg-type]


async def router(scope: Any, receive: Any, send: Any) -> None:
    await (_router if scope["type"] == "websocket" else inner)(scope, receive, send)


class Counted:
    """The direct sender of the server. Prints what it has sent."""

    def __init__(self, direct_sender: Any) -> None:
        self._send = direct_sender.send
        self.hold, self.release = direct_sender.hold, direct_sender.release

    def send(self, text: str | None) -> bool:
        was_sent: bool = self._send(text)
        sys.stdout.write(f"SEEN {'direct' if was_sent else 'refused'} {text}\n")
        return was_sent


async def plain(scope: Any, receive: Any, send: Any) -> None:
    if extension := (scope.get("extensions") or {}).get(EXTENSION):
        extension[DIRECT_SENDER] = Counted(extension[DIRECT_SENDER])
    await inner(scope, receive, send)
